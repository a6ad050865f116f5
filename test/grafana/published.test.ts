import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { dashboardFiles } from '../support/dashboard-files.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

/** The dashboards as the release has them and as an import leaves them. */

const RUNBOOK = 'https://git.example/llama-router-exporter/docs/runbook.md';
const CHOSEN = 'uid-of-a-prometheus';
const folder = scratchFolder();
execFileSync(process.execPath, ['tools/publish-dashboards.mjs', RUNBOOK, folder]);
const shipped = dashboardFiles().map(([, file]): [string, Shipped] => [
  `${file.uid}.json`,
  file as unknown as Shipped,
]);

it('are as many as the shipped ones', () => {
  expect(readdirSync(folder).toSorted()).toEqual(shipped.map(([name]) => name).toSorted());
});

describe.each(shipped)('%s', (name, file) => {
  const published = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Published;

  it('asks for one Prometheus, and cannot be imported without', () => {
    expect(published.__inputs).toMatchObject([
      { name: 'DS_PROMETHEUS', type: 'datasource', pluginId: 'prometheus', pluginName: 'Prometheus' },
    ]);
    expect(() => imported(published, [])).toThrow('DS_PROMETHEUS missing from import command');
  });

  it('requires Grafana, Prometheus and every kind of its panels', () => {
    const of = (kind: string) => published.__requires.filter(({ type }) => type === kind);
    expect(of('grafana')).toMatchObject([
      { id: 'grafana', version: expect.stringMatching(/^\d+\.\d+\.\d+$/) },
    ]);
    expect(of('datasource')).toMatchObject([{ id: 'prometheus' }]);
    expect(new Set(of('panel').map(({ id }) => id))).toEqual(new Set(file.panels.map(({ type }) => type)));
    for (const { name: plugin } of published.__requires) expect(plugin).toMatch(/^[A-Z]/);
  });

  it('is the shipped dashboard after its import, editable, with the chosen Prometheus and links to the runbook', () => {
    const [datasource, ...variables] = file.templating.list;
    const current = { selected: true, text: '', value: CHOSEN };
    const list = [{ ...datasource, current }, ...variables];
    const description = `${file.description} Needs llama-router-exporter.`;
    const wanted = JSON.stringify({ ...file, id: null, editable: true, description, templating: { list } });
    const given = [{ name: 'DS_PROMETHEUS', type: 'datasource', value: CHOSEN }];
    expect(imported(published, given)).toEqual(JSON.parse(wanted.replaceAll('docs/runbook.md', RUNBOOK)));
  });

  it('has a uid that Grafana accepts, and no number that grafana.com or a Grafana assigns', () => {
    expect(published.uid).toMatch(/^[a-zA-Z0-9_-]{1,40}$/);
    for (const assigned of ['gnetId', 'version']) expect(published).not.toHaveProperty(assigned);
  });
});

interface Shipped {
  readonly uid: string;
  readonly description: string;
  readonly panels: readonly { readonly type: string }[];
  readonly templating: { readonly list: readonly object[] };
}

interface Published extends Shipped {
  readonly __inputs: readonly Input[];
  readonly __requires: readonly { readonly type: string; readonly id: string; readonly name: string }[];
}

interface Input {
  readonly name: string;
  readonly type: string;
}

/**
 * As Grafana's importer does it (pkg/services/dashboardimport): each `${NAME}` of an input becomes its value, in every text
 * at any depth, other `${…}` stay, and what only the importer reads is left out. Newer versions replace it in the browser, where
 * the selection of a datasource variable is one of few places: the only one that is used here.
 */
function imported(published: Published, values: readonly (Input & { readonly value: string })[]): unknown {
  const replaced = new Map(
    published.__inputs.map(({ name, type }) => {
      const given = values.find((value) => value.name === name && value.type === type);
      if (!given) throw new Error(`Dashboard input variable: ${name} missing from import command`);
      return [`\${${name}}`, given.value];
    }),
  );
  const { __inputs, __requires, ...rest } = JSON.parse(JSON.stringify(published), (_key, value) =>
    typeof value === 'string' ? value.replace(/\$\{.+?\}/g, (match) => replaced.get(match) ?? match) : value,
  );
  delete rest.__elements;
  return rest;
}
