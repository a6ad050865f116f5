import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../grafana/dashboards', import.meta.url));

/** As much of a dashboard's file as the tests look at. */
export interface DashboardFile {
  readonly uid: string;
  readonly title: string;
  readonly annotations: { readonly list: readonly Annotation[] };
  readonly links: readonly Link[];
  readonly panels: readonly PanelFile[];
}

export interface PanelFile {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource: Datasource;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly Target[];
  readonly links?: readonly Link[];
  readonly transformations?: readonly { readonly id: string; readonly options: object }[];
  readonly options: object;
  readonly fieldConfig: {
    readonly defaults: { readonly unit: string; readonly custom?: object };
    readonly overrides: readonly {
      readonly matcher: { readonly id: string; readonly options: string };
      readonly properties: readonly { readonly id: string; readonly value: unknown }[];
    }[];
  };
}

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly datasource: Datasource;
  readonly instant?: boolean;
  readonly range?: boolean;
}

interface Annotation {
  readonly name: string;
  readonly datasource: Datasource;
  readonly expr: string;
}

interface Link {
  readonly title: string;
  readonly type: string;
  readonly url?: string;
  readonly tags: readonly string[];
}

interface Datasource {
  readonly type: string;
  readonly uid: string;
}

/** The shipped dashboards, by the names of their files. */
export function dashboardFiles(): [name: string, DashboardFile][] {
  return readdirSync(folder).map((name) => [name, JSON.parse(readFileSync(join(folder, name), 'utf8'))]);
}

/** Everything in it that Prometheus is asked, with a name for it. */
export function queriesOf({ panels, annotations }: DashboardFile): [what: string, Target][] {
  return [
    ...panels.flatMap(({ id, title, targets }) =>
      targets.map((target): [string, Target] => [`${id}. ${title}, ${target.refId}`, target]),
    ),
    ...annotations.list.map(({ name, expr, datasource }): [string, Target] => [
      `annotation ${name}`,
      { refId: 'Anno', expr, datasource, range: true },
    ]),
  ];
}
