import { liven } from '../../simulator/liveliness.ts';
import { createMachineFiles } from '../../simulator/machine-files.ts';
import { createSimulatedMemory } from '../../simulator/simulated-memory.ts';
import { createSimulatedRouter, type SimulatedRouter } from '../../simulator/simulated-router.ts';
import { systemClock } from '../lib/clock.ts';
import { type Call, type Command, textFlag } from './command.ts';
import { demoModels } from './demo-models.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { listenFaultOf, untilSignal } from './process.ts';

/** The memory of a loading model grows without an event. */
const WRITE_INTERVAL_MS = 500;

export const simulate: Command = {
  name: 'simulate',
  summary: 'Run a simulated router; no llama-server, model or GPU needed.',
  flags: [
    { name: 'host', value: 'HOST', description: 'Listen address. Default: 127.0.0.1.' },
    { name: 'port', value: 'PORT', description: 'Port. Default: 8080.' },
    { name: 'models', value: 'COUNT', description: 'Number of models. Default: 6.' },
    {
      name: 'models-max',
      value: 'COUNT',
      description: "As llama-server's --models-max; 0 is unlimited. Default: 3.",
    },
    {
      name: 'sleep-idle-seconds',
      value: 'SECONDS',
      description: "As llama-server's --sleep-idle-seconds. Default: 45.",
    },
    { name: 'quiet', description: 'Send no requests to the models: they change only when you ask.' },
    {
      name: 'machine',
      value: 'FOLDER',
      description:
        'Write its GPU memory there as /proc and /sys files; ' +
        'read them with serve --path.procfs FOLDER/proc --path.sysfs FOLDER/sys.',
    },
  ],
  configured: false,
  async run(call) {
    let writeMemory = () => {};
    const router = createSimulatedRouter({
      models: demoModels(countFlag(call, 'models', 6)),
      modelsMax: countFlag(call, 'models-max', 3),
      sleepIdleSeconds: countFlag(call, 'sleep-idle-seconds', 45),
      onChange: () => writeMemory(),
    });
    const port = countFlag(call, 'port', 8080);
    const folder = textFlag(call, 'machine');
    if (folder !== undefined) writeMemory = memoryWriter(folder, router, port);
    const { url } = await router.listen(port, textFlag(call, 'host')).catch((error: unknown) => {
      const fault = listenFaultOf(error);
      if (fault === undefined) throw error;
      throw new UsageError(`cannot listen on port ${port}: ${fault}. Choose another --port or --host.`);
    });
    const timer = setInterval(() => writeMemory(), WRITE_INTERVAL_MS);
    const stopRequests = call.flags.quiet === true ? () => {} : liven(router);
    call.terminal.out(`Simulated llama.cpp router listening on ${url} (press Ctrl-C to stop)\n`);
    await untilSignal();
    stopRequests();
    clearInterval(timer);
    await router.stop();
    return EXIT.done;
  },
};

function memoryWriter(folder: string, router: SimulatedRouter, port: number): () => void {
  try {
    const write = createMachineFiles(folder, router, port);
    // The name is not in the files.
    const measure = createSimulatedMemory(router, '', systemClock);
    return () => write(measure());
  } catch (error) {
    throw new UsageError(`--machine ${(error as Error).message}`);
  }
}

function countFlag(call: Call, name: string, fallback: number): number {
  const text = textFlag(call, name);
  if (text === undefined) return fallback;
  const count = Number(text);
  if (Number.isInteger(count) && count >= 0 && count <= 65_535) return count;
  throw new UsageError(`--${name} must be a whole number from 0 to 65535, not '${text}'`);
}
