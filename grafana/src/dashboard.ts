import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { annotations } from './annotations.ts';
import { links, TAG } from './links.ts';
import type { PanelOf } from './panels.ts';
import { variables } from './variables.ts';

interface Parts {
  /** Part of the URL; must never change. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** From left to right, in rows of 24 columns. */
  readonly panels: readonly PanelOf[];
}

/** A dashboard with the shared settings. The placement that the SDK sets would hide links and annotations in a menu. */
export function dashboard({ uid, title, description, panels }: Parts): Dashboard {
  const builder = new DashboardBuilder(`llama.cpp router / ${title}`)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-1h', to: 'now' })
    .refresh('10s')
    .variables(variables())
    .annotations(annotations())
    .links(links());
  panels.forEach((panel, at) => {
    builder.withPanel({ build: () => ({ ...panel.build(), id: at + 1 }) });
  });
  const built = builder.build();
  for (const shown of [...(built.links ?? []), ...(built.annotations?.list ?? [])]) delete shown.placement;
  return built;
}
