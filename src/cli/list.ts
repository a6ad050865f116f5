import { viewModels, viewRouter } from '../http/views.ts';
import { ACTIVITY_UNKNOWN, describeActivity } from '../http/words.ts';
import { formatBytes } from '../lib/bytes.ts';
import type { ModelBelief, RouterBelief } from '../models/belief.ts';
import { type Command, textFlag } from './command.ts';
import { exitCodeOf, OUTPUT_FLAG, outputOf, reportUnreachable, withFleet } from './one-off.ts';
import { formatTable } from './table.ts';

/** The models' own metrics are asked for, but not waited for longer than this. */
const MOST_MS = 2000;

/** `list`: every router and model. */
export const list: Command = {
  name: 'list',
  summary: 'Lists every router and model with its status.',
  flags: [OUTPUT_FLAG],
  configured: true,
  async run(call) {
    const output = outputOf(textFlag(call, 'output'));
    return withFleet(call.config(), { readEngine: true }, async ({ store, readAll }) => {
      await readAll(MOST_MS);
      const routers = store.routers();
      if (output === 'json') {
        const view = { routers: routers.map(viewRouter), models: routers.flatMap(viewModels) };
        call.terminal.out(`${JSON.stringify(view, null, 2)}\n`);
      } else {
        for (const router of routers.filter(({ up }) => up)) call.terminal.out(describe(router));
      }
      reportUnreachable(routers, call.terminal);
      return exitCodeOf(routers);
    });
  },
};

function describe({ name, props, models, engineMetrics }: RouterBelief): string {
  const facts = [
    props.build && `llama.cpp ${props.build}`,
    `${models.size} model${models.size === 1 ? '' : 's'}`,
    engineMetrics === 'disabled' ? ACTIVITY_UNKNOWN : undefined,
    props.modelsMax ? `at most ${props.modelsMax} in memory` : undefined,
  ].filter((fact) => fact !== undefined);
  const rows = [...models.values()].map(row);
  return `${name}  ${facts.join(', ')}\n${formatTable([['STATUS', 'MODEL', 'ACTIVITY', 'SIZE', 'CONTEXT', 'NOTE'], ...rows])}\n`;
}

function row({ id, life, facts, activity }: ModelBelief): string[] {
  return [
    life.status,
    id,
    life.status === 'loaded' ? describeActivity(activity) : '',
    facts.sizeBytes === undefined ? '' : formatBytes(facts.sizeBytes),
    facts.contextTokens === undefined ? '' : String(facts.contextTokens),
    life.loadFailed ? 'last load failed' : '',
  ];
}
