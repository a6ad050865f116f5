import type { Config } from '../config/schema.ts';
import type { MemoryView } from '../http/view-schemas.ts';
import { viewMemory, viewModels, viewRouter } from '../http/views.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/logger.ts';
import { watchMemory } from '../memory/watch.ts';
import type { Store } from '../models/store.ts';
import { type Call, choiceFlag, type RemoteExporter, remoteExporterOf } from './command.ts';
import { LIST_OUTPUTS } from './command-flags.ts';
import { EXIT } from './exit-codes.ts';
import { type OneOff, reportUnreachable, withFleet } from './one-off.ts';
import { formatNames, formatState, type StateView } from './state-view.ts';
import { formatJson } from './text.ts';

/** The longest wait for the models' own metrics. */
const ENGINE_MS = 2000;

/** The longest wait for a measurement of this machine's memory. */
const MEMORY_MS = 1000;

export async function list(call: Call): Promise<number> {
  const output = choiceFlag(call, 'output', LIST_OUTPUTS) ?? 'text';
  const exporter = remoteExporterOf(call);
  const { result: state, missed } = exporter
    ? await stateOf(exporter)
    : await listRouters(call, output !== 'names');
  const formats = {
    text: () => formatState(state, systemClock.wall()),
    json: () => formatJson(state),
    names: () => formatNames(state),
  };
  call.terminal.out(formats[output]());
  const down = state.routers.filter(({ up }) => !up);
  reportUnreachable(
    down.map(({ name, fault }) => ({ router: name, message: fault?.message ?? 'has not answered' })),
    call.terminal,
  );
  return missed || down.length > 0 ? EXIT.unreachable : EXIT.done;
}

/** Its answers need many schemas, which a list of routers can do without. */
async function stateOf(exporter: RemoteExporter): Promise<OneOff<StateView>> {
  const { stateThrough } = await import('./remote-exporter.ts');
  return stateThrough(exporter);
}

/** `measured`: with memory and the models' own metrics. */
function listRouters(call: Call, measured: boolean): Promise<OneOff<StateView>> {
  return withFleet(call, { readEngine: measured, settleMs: 0 }, async ({ store, readAll }, config) => {
    const measuring = measured ? ([measure(config, store), readAll(ENGINE_MS)] as const) : [];
    const [memory] = await Promise.all(measuring);
    const routers = store.routers();
    return {
      routers: routers.map((router) => viewRouter(router, systemClock)),
      models: routers.flatMap((router) => viewModels(router, systemClock)),
      memory,
    };
  });
}

/** The memory of this machine; without values when it cannot be measured in time. */
async function measure(config: Config, store: Store): Promise<MemoryView> {
  const log = createLogger({ level: 'error', format: 'logfmt', write: () => {}, now: Date.now });
  const memory = watchMemory(() => config, store, systemClock, log);
  try {
    return viewMemory(await memory.fresh(MEMORY_MS), systemClock);
  } finally {
    await memory.stop();
  }
}
