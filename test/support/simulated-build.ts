import { notFound } from '../../simulator/answer.ts';
import type { ModelDescription } from '../../simulator/model-description.ts';
import type { RealRouter, RealRouterOptions } from './real-router.ts';
import { createRestartableRouter } from './simulator/restartable.ts';

/**
 * A simulated router that stands for a build without event stream, where none is compiled. It has no processes, and prints
 * nothing.
 */
export async function startSimulatedBuild(
  options: RealRouterOptions,
  models: readonly string[],
): Promise<RealRouter> {
  const router = createRestartableRouter(
    {
      models: models.map(describe),
      modelsMax: options.modelsMax ?? 4,
      sleepIdleSeconds: options.sleepIdleSeconds ?? -1,
      metrics: options.metrics !== false,
    },
    ({ path }, _response, answer) => (path === '/models/sse' ? Promise.resolve(notFound) : answer()),
  );
  const { url } = await router.listen(options.port);
  return {
    url,
    port: Number(new URL(url).port),
    pid: 0,
    apiKey: undefined,
    log: () => '',
    childPid: () => undefined,
    crash: async (model) => router.crash(model),
    addModel: async (id) => router.addModel(describe(id)),
    removeModel: async (id) => router.removeModel(id),
    async rescan() {
      await (await fetch(`${url}/models?reload=1`)).arrayBuffer();
    },
    kill: () => router.stop(),
    async restart() {
      await router.stop();
      await router.start();
    },
    stop: () => router.stop(),
  };
}

/** Like the files that a real router gets. */
function describe(id: string): ModelDescription {
  const isMid = id.startsWith('mid');
  return {
    id,
    sizeBytes: isMid ? 104_000_000 : 318_624,
    contextTokens: 256,
    quantization: 'all F32',
    loadSeconds: isMid ? 0.2 : 0.05,
    tokensPerSecond: isMid ? 200 : 5000,
    fails: id.startsWith('broken'),
  };
}
