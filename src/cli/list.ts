import { viewModels, viewRouter } from '../http/views.ts';
import { describeActivity, describeStatus, factsOf, inOrder, LAST_LOAD_FAILED } from '../http/words.ts';
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
        for (const router of routers.filter(({ up }) => up)) call.terminal.out(describe(router, Date.now()));
      }
      reportUnreachable(routers, call.terminal);
      return exitCodeOf(routers);
    });
  },
};

function describe(router: RouterBelief, now: number): string {
  const rows = inOrder(router.models).map((model) => row(model, now));
  const head = ['STATUS', 'MODEL', 'ACTIVITY', 'SIZE', 'CONTEXT', 'NOTE'];
  return `${router.name}  ${factsOf(router).join(', ')}\n${formatTable([head, ...rows])}\n`;
}

function row(model: ModelBelief, now: number): string[] {
  const { id, life, facts } = model;
  return [
    describeStatus(model),
    id,
    describeActivity(model, now),
    facts.sizeBytes === undefined ? '' : formatBytes(facts.sizeBytes),
    facts.contextTokens === undefined ? '' : String(facts.contextTokens),
    life.loadFailed ? LAST_LOAD_FAILED : '',
  ];
}
