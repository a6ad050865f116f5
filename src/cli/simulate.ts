import { liven } from '../simulator/liveliness.ts';
import { createSeededRandom } from '../simulator/seeded-random.ts';
import { createSimulatedRouter } from '../simulator/simulated-router.ts';
import { castOf } from './cast.ts';
import { type Call, type Command, textFlag } from './command.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { untilSignal } from './signals.ts';

/** `simulate`: a simulated router, to try things on without a model or a GPU. */
export const simulate: Command = {
  name: 'simulate',
  summary: 'Runs a simulated router, to try things without a model or a GPU.',
  flags: [
    { name: 'port', value: 'PORT', description: 'Where it listens, on loopback. Default: 8080.' },
    { name: 'models', value: 'COUNT', description: 'How many models it has. Default: 6.' },
    { name: 'models-max', value: 'COUNT', description: 'As of llama-server; 0 is unlimited. Default: 3.' },
    { name: 'sleep-idle-seconds', value: 'SECONDS', description: 'As of llama-server. Default: 45.' },
    { name: 'quiet', description: 'Nobody uses the models: they do only what you ask for.' },
  ],
  configured: false,
  async run(call) {
    const router = createSimulatedRouter({
      models: castOf(countFlag(call, 'models', 6)),
      modelsMax: countFlag(call, 'models-max', 3),
      sleepIdleSeconds: countFlag(call, 'sleep-idle-seconds', 45),
    });
    const port = countFlag(call, 'port', 8080);
    const { url } = await router.listen(port).catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`cannot listen on port ${port} (${error.code}): choose another --port`);
    });
    const calm =
      call.flags.quiet === true ? () => {} : liven(router, { random: createSeededRandom(Date.now()) });
    call.terminal.out(`A simulated llama.cpp router is at ${url} (Ctrl-C ends it).\n`);
    await untilSignal();
    calm();
    await router.stop();
    return EXIT.done;
  },
};

function countFlag(call: Call, name: string, fallback: number): number {
  const text = textFlag(call, name);
  if (text === undefined) return fallback;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0 || count > 65_535) {
    throw new UsageError(`--${name} is a whole number from 0 to 65535, not '${text}'`);
  }
  return count;
}
