// A simulated router whose models are all loaded and in use, one of which may hang when asked for its metrics.
import { createSimulatedRouter } from '../../.build/simulator/simulated-router.js';
import { takeTask } from '../support/task.mjs';

takeTask((/** @type {{ models: number, hanging: boolean }} */ task) => start(task));

/** @param {{ models: number, hanging: boolean }} task */
async function start({ models, hanging }) {
  const ids = Array.from({ length: models }, (_, at) => `qwen2.5-7b-instruct-q4_k_m-${at}`);
  const router = createSimulatedRouter(
    { models: ids.map((id) => ({ id, loadSeconds: 0.01 })), modelsMax: 0 },
    async ({ path, query }, _response, answer) =>
      hanging && path === '/metrics' && query.get('model') === ids[0] ? undefined : answer(),
  );
  const { url } = await router.listen();
  for (const id of ids) await router.load(id);
  // Every tenth of a second a client sends one of them a request.
  let turn = 0;
  setInterval(() => {
    turn += 1;
    void router.request(ids[turn % models] ?? '', { seconds: 0.2 });
  }, 100);
  process.send?.({ url });
}
