// Simulated routers in a process of their own, for the measurements that must not run in their company.
import { createSimulatedRouter } from '../.build/simulator/simulated-router.js';
import { takeTask } from './support/task.mjs';

takeTask((/** @type {{ routers: number, models: number, loadSeconds: number }} */ task) => start(task));

/** @param {{ routers: number, models: number, loadSeconds: number }} task */
async function start({ routers, models, loadSeconds }) {
  const all = Array.from({ length: routers }, () =>
    createSimulatedRouter({
      models: Array.from({ length: models }, (_, model) => ({
        id: `qwen2.5-7b-instruct-q4_k_m-${model}`,
        loadSeconds,
      })),
    }),
  );
  const urls = await Promise.all(all.map(async (router) => (await router.listen()).url));
  process.send?.({ urls });
}
