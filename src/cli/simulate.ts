import { liven } from '../../simulator/liveliness.ts';
import { createMachineFiles } from '../../simulator/machine-files.ts';
import { createSimulatedMemory } from '../../simulator/simulated-memory.ts';
import { createSimulatedRouter } from '../../simulator/simulated-router.ts';
import { createSimulatedSwap } from '../../simulator/swap/simulated-swap.ts';
import { systemClock } from '../lib/clock.ts';
import { type Call, choiceFlag, parsedFlag, textFlag } from './command.ts';
import { SERVER_KINDS } from './command-flags.ts';
import { DEMO_GROUPS, demoModels } from './demo-models.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { listenFaultOf, untilSignal } from './process.ts';

/** Port of llama-swap's first model; its own default. */
const FIRST_MODEL_PORT = 5800;

/** The memory of a loading model grows without an event. */
const WRITE_INTERVAL_MS = 500;

export async function simulate(call: Call): Promise<number> {
  let writeMemory = () => {};
  const kind = choiceFlag(call, 'kind', SERVER_KINDS) ?? 'llama-server';
  const server = createServer(call, kind, () => writeMemory());
  const port = countFlag(call, 'port', 8080);
  const folder = textFlag(call, 'machine');
  if (folder !== undefined) writeMemory = memoryWriter(folder, server, port);
  const { url } = await server.listen(port, textFlag(call, 'host')).catch((error: unknown) => {
    const fault = listenFaultOf(error);
    if (fault === undefined) throw error;
    throw new UsageError(`cannot listen on port ${port}: ${fault}. Choose another --port or --host.`);
  });
  const timer = setInterval(() => writeMemory(), WRITE_INTERVAL_MS);
  const stopRequests = call.flags.quiet === true ? () => {} : liven(server);
  const name = kind === 'llama-swap' ? 'llama-swap' : 'llama.cpp router';
  call.terminal.out(`Simulated ${name} listening on ${url} (press Ctrl-C to stop)\n`);
  await untilSignal();
  stopRequests();
  clearInterval(timer);
  await server.stop();
  return EXIT.done;
}

type SimulatedServer = ReturnType<typeof createServer>;

function createServer(call: Call, kind: 'llama-server' | 'llama-swap', onChange: () => void) {
  const models = demoModels(countFlag(call, 'models', 6));
  if (kind === 'llama-server') {
    refuseFlag(call, 'ttl', 'llama-swap');
    return createSimulatedRouter({
      models,
      modelsMax: countFlag(call, 'models-max', 3),
      sleepIdleSeconds: countFlag(call, 'sleep-idle-seconds', 45),
      onChange,
    });
  }
  for (const name of ['models-max', 'sleep-idle-seconds']) refuseFlag(call, name, 'llama-server');
  const ttlSeconds = countFlag(call, 'ttl', 120);
  return createSimulatedSwap({
    models: models.map((model) => ({ ...model, ttlSeconds })),
    groups: DEMO_GROUPS,
    startPort: FIRST_MODEL_PORT,
    onChange,
  });
}

function refuseFlag(call: Call, name: string, kind: string): void {
  if (textFlag(call, name) !== undefined) throw new UsageError(`--${name} needs --kind ${kind}`);
}

function memoryWriter(folder: string, server: SimulatedServer, port: number): () => void {
  try {
    const write = createMachineFiles(folder, server, port);
    // The name is not in the files.
    const measure = createSimulatedMemory(server, '', systemClock);
    return () => write(measure());
  } catch (error) {
    throw new UsageError(`--machine ${(error as Error).message}`);
  }
}

function countFlag(call: Call, name: string, fallback: number): number {
  return parsedFlag(call, name, parseCount, 'a whole number from 0 to 65535') ?? fallback;
}

function parseCount(text: string): number | undefined {
  const count = Number(text);
  return Number.isInteger(count) && count >= 0 && count <= 65_535 ? count : undefined;
}
