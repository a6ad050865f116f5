import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createTestRouter } from '../support/simulator/test-router.ts';

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const ALERT = { status: 'firing', labels: { alertname: 'GpuMemoryHigh', action: 'unload' }, annotations: {} };

async function alert({ url }: RunningExporter): Promise<unknown> {
  const answer = await fetch(`${url}/api/v1/alertmanager`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ version: '4', status: 'firing', alerts: [ALERT] }),
  });
  return answer.json();
}

async function operations({ url }: RunningExporter): Promise<unknown> {
  return (await fetch(`${url}/api/v1/operations`)).json();
}

it('a restart keeps the operations, the cooldown of automatic unloads, and the last unload of a model', async () => {
  const folder = scratchFolder();
  const router = createTestRouter({ models: [{ id: 'tiny', loadSeconds: 0.01 }], exitSeconds: 0.001 });
  await router.listen();
  ends.push(router.stop);
  const labels = { router: new URL(router.url).host, model: 'tiny' };
  const start = async () => {
    const exporter = await startExporter([router.url], { 'state.file': join(folder, 'state.json') });
    let stopped: Promise<void> | undefined;
    const once = { ...exporter, stop: () => (stopped ??= exporter.stop()) };
    ends.push(once.stop);
    return once;
  };

  const first = await start();
  await router.load('tiny');
  await first.untilValue('llama_router_model_loads_total', labels, 1);
  expect(await alert(first)).toMatchObject({ outcome: 'success' });
  const before = await operations(first);
  await first.stop();

  const second = await start();
  expect(await operations(second)).toEqual(before);
  await router.load('tiny');
  await second.untilValue('llama_router_model_loads_total', labels, 2);
  expect(await alert(second)).toMatchObject({ outcome: 'refused', reason: 'cooldown' });
  const reload = { ...labels, unload_reason: 'requested', cause: 'unknown' };
  expect(await second.value('llama_router_model_reloads_after_unload_total', reload)).toBe(1);
});
