import { createSeededRandom, liven } from '../../simulator/liveliness.ts';
import { createMachineFiles } from '../../simulator/machine-files.ts';
import { createSimulatedMemory } from '../../simulator/simulated-memory.ts';
import { createSimulatedRouter, type SimulatedRouter } from '../../simulator/simulated-router.ts';
import { systemClock } from '../lib/clock.ts';
import { castOf } from './cast.ts';
import { type Call, type Command, textFlag } from './command.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { untilSignal } from './signals.ts';

/** `simulate`: a simulated router, to try things on without a model or a GPU. */
export const simulate: Command = {
  name: 'simulate',
  summary: 'Runs a simulated router, to try things without a model or a GPU.',
  flags: [
    { name: 'host', value: 'HOST', description: 'Where it listens. Default: 127.0.0.1.' },
    { name: 'port', value: 'PORT', description: 'Its port. Default: 8080.' },
    { name: 'models', value: 'COUNT', description: 'How many models it has. Default: 6.' },
    { name: 'models-max', value: 'COUNT', description: 'As of llama-server; 0 is unlimited. Default: 3.' },
    { name: 'sleep-idle-seconds', value: 'SECONDS', description: 'As of llama-server. Default: 45.' },
    { name: 'quiet', description: 'Nobody uses the models: they do only what you ask for.' },
    {
      name: 'machine',
      value: 'FOLDER',
      description: 'Shows its GPU memory there, to serve --path.procfs FOLDER/proc --path.sysfs FOLDER/sys.',
    },
  ],
  configured: false,
  async run(call) {
    let showMemory = () => {};
    const router = createSimulatedRouter({
      models: castOf(countFlag(call, 'models', 6)),
      modelsMax: countFlag(call, 'models-max', 3),
      sleepIdleSeconds: countFlag(call, 'sleep-idle-seconds', 45),
      onChange: () => showMemory(),
    });
    const port = countFlag(call, 'port', 8080);
    const folder = textFlag(call, 'machine');
    if (folder !== undefined) showMemory = showIn(folder, router, port);
    const { url } = await router
      .listen(port, textFlag(call, 'host'))
      .catch((error: NodeJS.ErrnoException) => {
        throw new UsageError(`cannot listen on port ${port} (${error.code}): choose another --port`);
      });
    const stopShowing = every(SHOW_EVERY_MS, () => showMemory());
    const calm =
      call.flags.quiet === true ? () => {} : liven(router, { random: createSeededRandom(Date.now()) });
    call.terminal.out(`A simulated llama.cpp router is at ${url} (Ctrl-C ends it).\n`);
    await untilSignal();
    calm();
    stopShowing();
    await router.stop();
    return EXIT.done;
  },
};

/** What a load has taken so far changes without any news of it. */
const SHOW_EVERY_MS = 500;

function showIn(folder: string, router: SimulatedRouter, port: number): () => void {
  try {
    const write = createMachineFiles(folder, router, port);
    // Its name does not matter: whose models they are is found out from the files.
    const measure = createSimulatedMemory(router, '', systemClock);
    return () => write(measure());
  } catch (error) {
    throw new UsageError(`--machine ${(error as Error).message}`);
  }
}

function every(milliseconds: number, action: () => void): () => void {
  const timer = setInterval(action, milliseconds);
  return () => clearInterval(timer);
}

function countFlag(call: Call, name: string, fallback: number): number {
  const text = textFlag(call, name);
  if (text === undefined) return fallback;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0 || count > 65_535) {
    throw new UsageError(`--${name} is a whole number from 0 to 65535, not '${text}'`);
  }
  return count;
}
