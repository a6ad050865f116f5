import { createSeededRandom, liven } from '../../simulator/liveliness.ts';
import { createSimulatedMemory } from '../../simulator/simulated-memory.ts';
import { createSimulatedRouter, type SimulatedRouter } from '../../simulator/simulated-router.ts';
import { createConfigSource } from '../config/source.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/logger.ts';
import { startMemory } from '../memory/memory.ts';
import { startService } from '../service.ts';
import { castOf } from './cast.ts';
import type { Call, Command } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { untilSignal } from './signals.ts';

/** `demo`: a simulated router whose models are in use, and the exporter that watches it, in one process. */
export const demo: Command = {
  name: 'demo',
  summary: 'Runs the exporter on a simulated router with lively models.',
  flags: [],
  configured: false,
  async run(call) {
    const random = createSeededRandom(Date.now());
    const router = createSimulatedRouter({ models: castOf(6), modelsMax: 3, sleepIdleSeconds: 45, random });
    const { url } = await router.listen();
    const calm = liven(router, { random });
    const service = await startOnFreePort(call, url, router);
    const page = `http://localhost:${service.port}`;
    call.terminal.out(`The demo is running: a simulated router whose models are loaded, used, evicted and put to sleep.

  Page      ${page}/
  Metrics   ${page}/metrics
  Models    ${page}/api/v1/models
  Events    ${page}/api/v1/events
  Router    ${url}  (simulated llama-server)

  Try       llama-router-exporter list --router ${url}
            llama-router-exporter unload-all --router ${url}
  (in a checkout: node dist/src/main.js list …)

Ctrl-C ends it. What happens to the models:
`);
    await untilSignal();
    calm();
    await service.stop();
    await router.stop();
    return EXIT.done;
  },
};

/** The usual port, or any free one when somebody has it: a demo should just start. */
async function startOnFreePort(call: Call, url: string, router: SimulatedRouter) {
  const log = createLogger({ level: 'info', format: 'logfmt', write: call.terminal.err, now: Date.now });
  const start = (port: number) =>
    startService({
      config: createConfigSource({
        env: {},
        flags: { router: [url], 'web.listen-address': `localhost:${port}` },
      }),
      log,
      version: call.version,
      memory: simulateMemory(router, new URL(url).host),
    });
  return start(10_180).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    return start(0);
  });
}

function simulateMemory(router: SimulatedRouter, name: string) {
  const measure = createSimulatedMemory(router, name, systemClock);
  return startMemory({ measure: async () => measure(), intervalMs: 1000, timeoutMs: 1000 }, systemClock);
}
