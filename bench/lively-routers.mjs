// Simulated routers in a process of their own whose clients load, use and unload models all the time.
import { setTimeout as sleep } from 'node:timers/promises';
import { createRestartableRouter } from '../.build/test/support/simulator/restartable.js';
import { takeTask } from './support/task.mjs';

/** How long a router is down when it restarts, and how often one does. */
const RESTART = { seconds: 2, every: 60 };

/** More loads than this evict a model, with its `unloaded`: so a load is three transitions. */
const MODELS_MAX = 4;
const TRANSITIONS_OF_LOAD = 3;

/** @typedef {{ routers: number, models: number, transitions: number }} Task */

takeTask((/** @type {Task} */ task) => start(task));

/** @param {Task} task */
async function start({ routers, models, transitions }) {
  const ids = Array.from({ length: models }, (_, model) => `qwen2.5-7b-instruct-q4_k_m-${model}`);
  const all = Array.from({ length: routers }, () =>
    createRestartableRouter({
      models: ids.map((id) => ({ id, loadSeconds: 0.3 })),
      modelsMax: MODELS_MAX,
      stopTimeoutSeconds: 1,
    }),
  );
  const urls = await Promise.all(all.map(async (router) => (await router.listen()).url));
  process.send?.({ urls, models: ids });
  setInterval(() => load(any(all)), (1000 * TRANSITIONS_OF_LOAD) / transitions);
  setInterval(() => generate(any(all)), 1000);
  for (let turn = 0; ; turn += 1) {
    await sleep((RESTART.every - RESTART.seconds) * 1000);
    const router = /** @type {Router} */ (all[turn % routers]);
    await router.stop();
    await sleep(RESTART.seconds * 1000);
    await router.start();
  }
}

/** @typedef {import('../.build/test/support/simulator/restartable.js').RestartableRouter} Router */

/** A model that is not in memory; half of the time another one is unloaded before, otherwise a full router evicts one. */
/** @param {Router} router */
function load(router) {
  const running = router.models.filter((model) => model.isRunning());
  if (running.length === MODELS_MAX && Math.random() < 0.5) any(running).stop();
  const idle = router.models.filter((model) => !model.isRunning());
  if (idle.length > 0) void router.load(any(idle).description.id);
}

/** A short answer of a model in memory. @param {Router} router */
function generate(router) {
  const ready = router.models.filter(({ status, stopping }) => status === 'loaded' && !stopping);
  if (ready.length > 0) void router.request(any(ready).description.id, { promptTokens: 100, tokens: 10 });
}

/** @template Item @param {readonly Item[]} items @returns {Item} */
function any(items) {
  return /** @type {Item} */ (items[Math.floor(Math.random() * items.length)]);
}
