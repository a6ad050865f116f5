import type { Config } from '../config/schema.ts';
import { describeHold } from '../hold/hold.ts';
import { lastOf, tellOperation } from '../http/operation-words.ts';
import { type HoldView, viewModels, viewRouter } from '../http/views.ts';
import {
  describeActivity,
  describeStatus,
  factsOf,
  inOrder,
  LAST_LOAD_FAILED,
  measuresOf,
  NOT_KNOWN,
  spanSince,
} from '../http/words.ts';
import { formatBytes } from '../lib/bytes.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/logger.ts';
import type { ModelMemory } from '../memory/reading.ts';
import { watchMemory } from '../memory/watch.ts';
import type { ModelState, RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import type { Operation } from '../unload/report.ts';
import { type Call, type Command, type CommandFlag, textFlag } from './command.ts';
import { EXIT } from './exit-codes.ts';
import {
  exitCodeOf,
  OUTPUT_FLAG,
  outputOf,
  reportUnreachable,
  withDiscovered,
  withFleet,
} from './one-off.ts';
import { createRemoteExporter, UnreachableError } from './remote-exporter.ts';
import { statesOf } from './remote-state.ts';
import { formatTable } from './table.ts';

/** The models' own metrics are asked for, but not waited for longer than this. */
const MOST_MS = 2000;

/** Memory is read where the models' processes are on this machine; a driver that is slow is not waited for. */
const MEASURE_MS = 1000;

const EXPORTER_FLAG: CommandFlag = {
  name: 'exporter',
  value: 'URL',
  description:
    'A running exporter that is asked instead of the routers: it knows since when, who holds memory free, and what ' +
    'was unloaded. Its token, where reading needs one, is read from LLAMA_ROUTER_EXPORTER_TOKEN_FILE.',
};

/** `list`: every router and model. */
export const list: Command = {
  name: 'list',
  summary: 'Lists every router and model with its status.',
  flags: [EXPORTER_FLAG, OUTPUT_FLAG],
  configured: true,
  run(call) {
    const output = outputOf(textFlag(call, 'output'));
    const exporter = textFlag(call, 'exporter');
    return exporter === undefined ? listRouters(call, output) : listExporter(exporter, call, output);
  },
};

async function listRouters(call: Call, output: 'text' | 'json'): Promise<number> {
  const { found, missed } = await withDiscovered(call.config(), call.terminal);
  return withFleet(found, { readEngine: true }, async ({ store, readAll }) => {
    const routers = store.routers();
    if (output === 'json') {
      await readAll(MOST_MS);
      show(call, {
        routers: routers.map((router) => viewRouter(router, systemClock)),
        models: routers.flatMap((router) => viewModels(router, systemClock)),
      });
    } else {
      const [memory] = await Promise.all([measure(found, store), readAll(MOST_MS)]);
      for (const router of routers.filter(({ up }) => up)) {
        call.terminal.out(describe(router, { memory, now: systemClock.now() }));
      }
    }
    reportUnreachable(routers, call.terminal);
    return exitCodeOf(routers, missed);
  });
}

async function listExporter(url: string, call: Call, output: 'text' | 'json'): Promise<number> {
  const token = call.config().auth.tokens.find(({ name }) => name === 'default')?.token;
  try {
    const look = await createRemoteExporter(url, token).look();
    const routers = statesOf(look.routers, look.models);
    const now = systemClock.now();
    if (output === 'json') show(call, look);
    else {
      for (const router of routers.filter(({ up }) => up)) {
        const hold = look.holds.find((each) => each.router === router.name);
        call.terminal.out(describe(router, { hold, memory: [], now }));
      }
      call.terminal.out(describeLast(look.operations, systemClock.wall()));
    }
    reportUnreachable(routers, call.terminal);
    return exitCodeOf(routers);
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    call.terminal.err(`${error.message}\n`);
    return EXIT.unreachable;
  }
}

function show(call: Call, value: object): void {
  call.terminal.out(`${JSON.stringify(value, null, 2)}\n`);
}

/** One reading of what the models hold; empty when there is none in time. Nobody is told of what cannot be read. */
async function measure(config: Config, store: Store): Promise<readonly ModelMemory[]> {
  const log = createLogger({ level: 'error', format: 'logfmt', write: () => {}, now: Date.now });
  const memory = watchMemory(() => config, store, systemClock, log);
  try {
    return (await memory.fresh(MEASURE_MS))?.models ?? [];
  } finally {
    await memory.stop();
  }
}

/** What is known beside the belief. */
interface Beside {
  memory: readonly ModelMemory[];
  hold?: HoldView | undefined;
  now: number;
}

function describe(router: RouterState, { memory, hold, now }: Beside): string {
  const models = inOrder(router.models);
  const own = new Map(memory.filter((held) => held.router === router.name).map((held) => [held.model, held]));
  const measures = measuresOf([...own.values()]);
  // Who has only just looked does not know.
  const knowsSince = models.some(({ lifecycle }) => lifecycle.since !== undefined);
  const head = [
    ...['STATUS', 'MODEL', ...(knowsSince ? ['FOR'] : []), 'ACTIVITY'],
    ...measures.map(({ label }) => label.toUpperCase()),
    ...['SIZE', 'CONTEXT', 'NOTE'],
  ];
  const rows = models.map((model) => [
    ...[describeStatus(model), model.id, ...(knowsSince ? [describeSince(model, now)] : [])],
    describeActivity(model, now),
    ...measures.map(({ of }) => of(own.get(model.id))),
    ...factsOfModel(model),
  ]);
  const held = hold
    ? `GPU memory is ${describeHold({ ...hold, until: Date.parse(hold.until) }, systemClock.wall())}.\n`
    : '';
  return `${router.name}  ${factsOf(router).join(', ')}\n${held}${formatTable([head, ...rows])}\n`;
}

function describeSince({ lifecycle }: ModelState, now: number): string {
  return lifecycle.since === undefined ? NOT_KNOWN : spanSince(lifecycle.since, now);
}

function factsOfModel({ lifecycle, facts }: ModelState): string[] {
  return [
    facts.sizeBytes === undefined ? '' : formatBytes(facts.sizeBytes),
    facts.contextTokens === undefined ? '' : String(facts.contextTokens),
    lifecycle.loadFailed ? LAST_LOAD_FAILED : '',
  ];
}

function describeLast(operations: readonly Operation[], now: number): string {
  const rows = lastOf(operations).map((operation) => {
    const { when, askedBy, outcome, models, note } = tellOperation(operation, now);
    return [when, askedBy, outcome, models, note];
  });
  const head = ['WHEN', 'ASKED BY', 'OUTCOME', 'MODELS', 'NOTE'];
  return rows.length === 0 ? '' : `Last operations\n${formatTable([head, ...rows])}`;
}
