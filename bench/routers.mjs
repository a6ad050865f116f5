// Simulated routers in a process of their own, for the measurements that must not run in their company.
import { createSimulatedRouter } from '../.build/simulator/simulated-router.js';
import { takeTask } from './support/task.mjs';

takeTask((/** @type {{ routers: number, models: number, loadSeconds: number }} */ task) => start(task));

/** @param {{ routers: number, models: number, loadSeconds: number }} task */
async function start({ routers, models, loadSeconds }) {
  const listings = Array.from({ length: routers }, () => 0);
  const all = listings.map((_, at) =>
    createSimulatedRouter({
      intercept(request, _response, answer) {
        if (request.path === '/models') listings[at] = (listings[at] ?? 0) + 1;
        return answer();
      },
      models: Array.from({ length: models }, (_, model) => ({
        id: `qwen2.5-7b-instruct-q4_k_m-${model}`,
        loadSeconds,
      })),
    }),
  );
  const urls = await Promise.all(all.map(async (router) => (await router.listen()).url));
  process.on('message', () => process.send?.({ listings }));
  process.send?.({ urls });
}
