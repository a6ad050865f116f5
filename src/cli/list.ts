import type { Config } from '../config/schema.ts';
import { viewModels, viewRouter } from '../http/views.ts';
import {
  describeActivity,
  describeStatus,
  factsOf,
  inOrder,
  LAST_LOAD_FAILED,
  measuresOf,
} from '../http/words.ts';
import { formatBytes } from '../lib/bytes.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/logger.ts';
import type { ModelMemory } from '../memory/reading.ts';
import type { ModelBelief, RouterBelief } from '../models/belief.ts';
import type { Store } from '../models/store.ts';
import { watchMemory } from '../watch-memory.ts';
import { type Command, textFlag } from './command.ts';
import { exitCodeOf, OUTPUT_FLAG, outputOf, reportUnreachable, withFleet } from './one-off.ts';
import { formatTable } from './table.ts';

/** The models' own metrics are asked for, but not waited for longer than this. */
const MOST_MS = 2000;

/** Memory is read where the models' processes are on this machine; a driver that is slow is not waited for. */
const MEASURE_MS = 1000;

/** `list`: every router and model. */
export const list: Command = {
  name: 'list',
  summary: 'Lists every router and model with its status.',
  flags: [OUTPUT_FLAG],
  configured: true,
  async run(call) {
    const output = outputOf(textFlag(call, 'output'));
    const config = call.config();
    return withFleet(config, { readEngine: true }, async ({ store, readAll }) => {
      const [memory] = await Promise.all([measure(config, store), readAll(MOST_MS)]);
      const routers = store.routers();
      if (output === 'json') {
        const view = { routers: routers.map(viewRouter), models: routers.flatMap(viewModels) };
        call.terminal.out(`${JSON.stringify(view, null, 2)}\n`);
      } else {
        for (const router of routers.filter(({ up }) => up)) {
          call.terminal.out(describe(router, memory, systemClock.now()));
        }
      }
      reportUnreachable(routers, call.terminal);
      return exitCodeOf(routers);
    });
  },
};

/** One reading of what the models hold; empty when there is none in time. Nobody is told of what cannot be read. */
async function measure(config: Config, store: Store): Promise<readonly ModelMemory[]> {
  const log = createLogger({ level: 'error', format: 'logfmt', write: () => {}, now: systemClock.now });
  const memory = watchMemory(() => config, store, systemClock, log);
  try {
    return (await memory.fresh(MEASURE_MS))?.models ?? [];
  } finally {
    await memory.stop();
  }
}

function describe(router: RouterBelief, memory: readonly ModelMemory[], now: number): string {
  const own = memory.filter((held) => held.router === router.name);
  const measures = measuresOf(own);
  const labels = measures.map(({ label }) => label.toUpperCase());
  const head = ['STATUS', 'MODEL', 'ACTIVITY', ...labels, 'SIZE', 'CONTEXT', 'NOTE'];
  const rows = inOrder(router.models).map((model) => {
    const held = own.find((each) => each.model === model.id);
    return row(
      model,
      measures.map(({ of }) => of(held)),
      now,
    );
  });
  return `${router.name}  ${factsOf(router).join(', ')}\n${formatTable([head, ...rows])}\n`;
}

function row(model: ModelBelief, measured: readonly string[], now: number): string[] {
  const { id, life, facts } = model;
  return [
    describeStatus(model),
    id,
    describeActivity(model, now),
    ...measured,
    facts.sizeBytes === undefined ? '' : formatBytes(facts.sizeBytes),
    facts.contextTokens === undefined ? '' : String(facts.contextTokens),
    life.loadFailed ? LAST_LOAD_FAILED : '',
  ];
}
