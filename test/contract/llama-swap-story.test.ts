import { createHurriedClock } from '../support/hurried-clock.ts';
import { startRealSwap, withFiles } from '../support/real-swap.ts';
import { startSimulatedSwap } from '../support/simulator/test-swap.ts';
import { describeSwapStory, STORY, type StartStorySwap, type StoryPace } from './swap-story.ts';

/** The simulated llama-swap and the exporter share a clock that is ten times as fast. */
const HURRY = 10;
const clock = createHurriedClock(HURRY);

const simulated: StoryPace = {
  secondsMs: 1000 / HURRY,
  slackSeconds: 1,
  tokensPerSecond: 200,
  clock,
  hasMemory: false,
};
const real: StoryPace = { secondsMs: 1000, slackSeconds: 1, tokensPerSecond: 100, hasMemory: true };

const startSimulated: StartStorySwap = async ({ apiKeys = [] } = {}) => {
  const { models, ...configuration } = STORY;
  const swap = await startSimulatedSwap({
    ...configuration,
    apiKeys,
    clock,
    // As long as the real one takes, in its real time.
    exitSeconds: 0.01 * HURRY,
    models: models.map((model) => ({
      ...model,
      loadSeconds: model.id === 'endless' ? 1000 : 0.3,
      tokensPerSecond: simulated.tokensPerSecond,
      fails: model.id === 'broken',
    })),
  });
  return {
    url: swap.url,
    port: Number(new URL(swap.url).port),
    crash: async (model) => swap.crash(model),
    terminate: async (model) => swap.crash(model),
    reload: () => swap.reload(),
    kill: () => swap.kill(),
    start: () => swap.start(),
    async restart() {
      await swap.stop();
      await swap.start();
    },
    stop: () => swap.stop(),
  };
};

const startReal: StartStorySwap = async ({ apiKeys = [] } = {}) => {
  const { models, ...configuration } = STORY;
  return startRealSwap({
    ...configuration,
    apiKeys,
    models: withFiles(models),
  });
};

describeSwapStory('a simulated llama-swap', startSimulated, simulated);
// `npm run test:llama-swap` sets it or says that it is missing.
if (process.env.LLAMA_SWAP_BIN) describeSwapStory('a real llama-swap', startReal, real);
