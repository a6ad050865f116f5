import type { ModelDescription } from '../../simulator/model-description.ts';
import { describeRouterContract } from '../contract/router-contract.ts';
import type { StartRouter } from '../contract/router-under-test.ts';
import { createTestRouter } from '../support/simulator/test-router.ts';

const tiny = {
  sizeBytes: 311_040,
  contextTokens: 256,
  quantization: 'all F32',
  loadSeconds: 0.01,
  tokensPerSecond: 5000,
};
const models: ModelDescription[] = [
  { id: 'tiny-b', ...tiny },
  { id: 'tiny-c', ...tiny },
  // Long enough to be stopped while it loads, also on a busy machine.
  { id: 'mid', ...tiny, loadSeconds: 0.4, tokensPerSecond: 100 },
  { id: 'broken', ...tiny, fails: true },
];

const start: StartRouter = async ({ aliases = [], tags = [], ...options }) => {
  const router = createTestRouter({
    ...options,
    models: [{ id: 'tiny-a', ...tiny, aliases, tags }, ...models],
    exitSeconds: 0.002,
  });
  const { url } = await router.listen();
  return {
    url,
    crash: async (model) => router.crash(model),
    addModel: async (id) => router.addModel({ id, ...tiny }),
    removeModel: async (id) => router.removeModel(id),
    stop: () => router.stop(),
  };
};

describeRouterContract('the simulated router', start, {
  sleepIdleSeconds: 0.1,
  stopTimeoutSeconds: 0.25,
  seconds: 2,
});
