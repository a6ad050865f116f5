import { startRealSwap, withFiles } from '../support/real-swap.ts';
import { startSimulatedSwap } from '../support/simulator/test-swap.ts';
import { describeSwapContract } from './swap-contract.ts';
import { contractConfiguration, type StartSwap, type SwapPatience } from './swap-under-test.ts';

const simulated: SwapPatience = { ttlSeconds: 0.1, unloadTimeoutSeconds: 0.3, seconds: 20 };
const real: SwapPatience = { ttlSeconds: 1, unloadTimeoutSeconds: 1, seconds: 20 };

const startSimulated: StartSwap = async ({ apiKeys = [] }) => {
  const { models, ...configuration } = contractConfiguration(simulated);
  const swap = await startSimulatedSwap({
    ...configuration,
    apiKeys,
    models: models.map((model) => ({
      ...model,
      loadSeconds: model.id === 'endless' ? 100 : 0.02,
      tokensPerSecond: model.id.startsWith('mid') ? 1000 : 5000,
      fails: model.id === 'broken',
      unloadTimeoutSeconds: simulated.unloadTimeoutSeconds,
    })),
    exitSeconds: 0.002,
    ttlCheckSeconds: 0.02,
  });
  return {
    url: swap.url,
    crash: async (model) => swap.crash(model),
    reload: () => swap.reload(),
    kill: () => swap.kill(),
    start: () => swap.start(),
    stop: () => swap.stop(),
  };
};

const startReal: StartSwap = async ({ apiKeys = [] }) => {
  const { models, ...configuration } = contractConfiguration(real);
  return startRealSwap({
    ...configuration,
    apiKeys,
    models: withFiles(models).map((model) => ({
      ...model,
      unloadTimeoutSeconds: real.unloadTimeoutSeconds,
    })),
  });
};

describeSwapContract('the simulated one', startSimulated, simulated);
// `npm run test:llama-swap` sets it or says that it is missing.
if (process.env.LLAMA_SWAP_BIN) describeSwapContract('llama-swap', startReal, real);
