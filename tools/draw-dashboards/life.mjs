// The scenario of the pictures: clients use the models, and an operator unloads and holds.
import { setTimeout as sleep } from 'node:timers/promises';
import { liven } from '../../.build/simulator/liveliness.js';

/** Actions by fraction of the total time. Two are still under way at the end. */
const ACTIONS = [
  [0.06, ({ ask }) => ask('gpu-box', '/api/v1/unload', { models: ['gemma*'] })],
  [0.12, ({ ask }) => ask('attic', '/api/v1/unload-all', {}, { trigger: 'page' })],
  [0.125, reported('attic', { model: 'bge-m3', cause: 'api' })],
  [0.16, ({ ask }) => ask('gpu-box', '/api/v1/alertmanager', alert('gpu-box'))],
  [0.2, failing('mistral-small-24b')],
  [0.23, ({ small }) => small.load('bge-m3').then(() => small.crash('bge-m3'))],
  [0.26, ({ ask }) => ask('attic', '/api/v1/unload-all', { dry_run: true }, { trigger: 'cli' })],
  [0.3, ({ small }) => small.stop()],
  [0.36, ({ small }) => small.start()],
  [0.4, ({ ask }) => ask('attic', '/api/v1/unload-all', {}, { trigger: 'cli' })],
  [0.41, reported('attic', { model: 'phi-4-mini', cause: 'task', task: 'title_generation' })],
  [0.45, ({ ask }) => ask('gpu-box', '/api/v1/alertmanager', alert('gpu-box'))],
  [0.47, ({ ask }) => ask('gpu-box', '/api/v1/alertmanager', alert('gpu-box'))],
  [0.5, ({ ask }) => ask('gpu-box', '/api/v1/alertmanager', alert('attic'))],
  [0.55, held('gpu-box', 0.16, { reason: 'training', unload: 'all', restore: true })],
  [0.61, reported('gpu-box', { model: 'qwen3-8b', cause: 'chat' })],
  [0.62, ({ big }) => big.load('qwen3-8b')],
  [0.66, held('attic', 0.05, { reason: 'a game', need_bytes: 25e9, unload: 'none' })],
  [0.68, held('attic', 0.1, { reason: 'ComfyUI', need_bytes: 22e9, restore: true })],
  [0.74, ({ ask }) => ask('gpu-box', '/api/v1/unload', { models: ['*-8b'] }, { trigger: 'page' })],
  [0.78, failing('llama-3.3-70b')],
  [0.82, ({ ask }) => ask('attic', '/api/v1/unload-all', {})],
  [0.83, reported('attic', { model: 'phi-4-mini', cause: 'task', task: 'title_generation' })],
  [
    0.86,
    async ({ ask }) => {
      for (let times = 0; times < 4; times += 1)
        await ask('attic', '/api/v1/unload-all', {}, { token: 'wrong' });
    },
  ],
  [0.9, held('attic', 0.3, { reason: 'training' })],
  [0.91, ({ big }) => big.load('llama-3.3-70b')],
  [0.93, ({ big }) => big.load('qwen3-8b')],
  [0.955, ({ big }) => big.load('gemma-3-27b')],
  [0.98, ({ big }) => big.request('gemma-3-27b', { seconds: 60 })],
];

/** Runs the scenario for `seconds` and resolves while clients continue; `over` stops them. */
export async function live(fleet, seconds) {
  const startedAt = Date.now();
  const calm = [
    liven(fleet.big, { random: fleet.random, requestsPerSecond: 0.1, crashPercent: 1, failPercent: 2 }),
    liven(fleet.small, { random: fleet.random, requestsPerSecond: 0.08, crashPercent: 1 }),
  ];
  const over = () => {
    for (const end of calm) end();
  };
  for (const [share, action] of ACTIONS) {
    await sleep(Math.max(0, startedAt + share * seconds * 1000 - Date.now()));
    // Do not wait: an unload may wait for a busy model.
    void Promise.resolve(action(fleet, seconds)).catch(() => {});
  }
  await sleep(Math.max(0, startedAt + seconds * 1000 - Date.now()));
  return { startedAt, endedAt: Date.now(), over };
}

function failing(model) {
  return async ({ big }) => {
    big.failNextLoad(model);
    await big.load(model);
  };
}

function reported(router, report) {
  return ({ ask }) => ask(router, '/api/v1/usage', { reports: [report] });
}

function held(router, share, terms) {
  return ({ ask }, seconds) =>
    ask(router, '/api/v1/holds', {
      routers: [router],
      ttl_seconds: Math.round(share * seconds),
      enforce: true,
      ...terms,
    });
}

function alert(router) {
  const labels = { alertname: 'LlamaRouterMemoryHeldByIdleModels', action: 'unload', router };
  return {
    version: '4',
    groupKey: '{}:{}',
    receiver: 'unload',
    status: 'firing',
    alerts: [{ status: 'firing', labels, annotations: {}, startsAt: new Date().toISOString() }],
  };
}
