import { liven } from '../../simulator/liveliness.ts';
import { createSimulatedMemory } from '../../simulator/simulated-memory.ts';
import { createSimulatedRouter, type SimulatedRouter } from '../../simulator/simulated-router.ts';
import { createConfigSource } from '../config/source.ts';
import { ListenError } from '../http/server.ts';
import { systemClock } from '../lib/clock.ts';
import { codeOf } from '../lib/error-code.ts';
import { createLogger } from '../lib/logger.ts';
import { VERSION } from '../lib/version.ts';
import { startMemory } from '../memory/memory.ts';
import { startService } from '../service.ts';
import type { Call } from './command.ts';
import { demoModels } from './demo-models.ts';
import { EXIT } from './exit-codes.ts';
import { untilSignal } from './process.ts';

export async function demo(call: Call): Promise<number> {
  const router = createSimulatedRouter({ models: demoModels(6), modelsMax: 3, sleepIdleSeconds: 45 });
  const { url } = await router.listen();
  const stopRequests = liven(router);
  const service = await startOnFreePort(call, url, router);
  const page = `http://localhost:${service.port}`;
  call.terminal.out(`The demo is running. Models of a simulated router are loaded, used, evicted and put to sleep.

Page      ${page}/
Metrics   ${page}/metrics
Models    ${page}/api/v1/models
Events    ${page}/api/v1/events
Router    ${url}  (simulated llama-server)

Try       llama-router-exporter list --router ${url}
          llama-router-exporter unload-all --router ${url}
(in a checkout: node dist/main.mjs list …)

Press Ctrl-C to stop. Log of the exporter:
`);
  await untilSignal();
  stopRequests();
  await service.stop();
  await router.stop();
  return EXIT.done;
}

/** Listens on the default port, or on a free one when it is in use. */
async function startOnFreePort(call: Call, url: string, router: SimulatedRouter) {
  const log = createLogger({ level: 'info', format: 'logfmt', write: call.terminal.err, now: Date.now });
  const start = (port: number) =>
    startService({
      config: createConfigSource({
        env: {},
        flags: { router: [url], 'web.listen-address': `localhost:${port}` },
      }),
      log,
      version: VERSION,
      memory: simulateMemory(router, new URL(url).host),
    });
  return start(10_180).catch((error: unknown) => {
    if (!(error instanceof ListenError) || codeOf(error.cause) !== 'EADDRINUSE') throw error;
    return start(0);
  });
}

function simulateMemory(router: SimulatedRouter, name: string) {
  const measure = createSimulatedMemory(router, name, systemClock);
  return startMemory({ measure: async () => measure(), intervalMs: 1000, timeoutMs: 1000 }, systemClock);
}
