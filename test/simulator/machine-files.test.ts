import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from '@jest/globals';
import { createMachineFiles } from '../../simulator/machine-files.ts';
import { createSimulatedMemory } from '../../simulator/simulated-memory.ts';
import { createSimulatedSwap } from '../../simulator/swap/simulated-swap.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { startExporter } from '../support/exporter.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createTestRouter } from '../support/simulator/test-router.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';
import { until } from '../support/until.ts';

let folder: string;
beforeEach(() => {
  folder = scratchFolder();
});

/** An exporter of the router at this URL, on the machine whose files are in the folder. */
const startOnMachine = (url: string) =>
  startExporter([url], {
    'path.procfs': join(folder, 'proc'),
    'path.sysfs': join(folder, 'sys'),
    'memory.interval': '200ms',
    'memory.nvidia-smi': '',
  });

it('shows the memory of each model to an exporter, at the moment of each event', async () => {
  const clock = createSteppedClock(120_000);
  const models = [
    { id: 'qwen', sizeBytes: 16e9, contextTokens: 8192, loadSeconds: 10 },
    { id: 'org/gemma:Q4', loadSeconds: 1 },
  ];
  let show = () => {};
  const router = createTestRouter({ models, clock, onChange: () => show() });
  const measure = createSimulatedMemory(router, '', clock);
  const { url } = await router.listen();
  const write = createMachineFiles(folder, router, Number(new URL(url).port));
  show = () => write(measure());
  show();
  const exporter = await startOnMachine(url);
  const gpu = { name: 'Simulated Radeon', pool: 'vram' };
  const held = 'llama_router_model_gpu_memory_used_bytes';
  try {
    await exporter.untilValue('llama_router_gpu_memory_used_bytes', gpu, 850e6);

    await router.load('qwen');
    await router.load('org/gemma:Q4');
    await clock.advance(11_000);
    const { gpus, models: read } = measure();
    // In whole kibibytes, as drivers tell it.
    const qwen = read.find(({ model }) => model === 'qwen');
    const bytes = Math.round((qwen?.gpus[0]?.bytes ?? 0) / 1024) * 1024;
    await exporter.untilValue(held, { model: 'qwen' }, bytes);
    expect(await exporter.value(held, { model: 'org/gemma:Q4' })).toBeGreaterThan(1e9);
    expect(await exporter.value('llama_router_gpu_memory_used_bytes', gpu)).toBe(gpus[0]?.usedBytes);
    const unowned = (await exporter.value('llama_router_gpu_memory_unowned_bytes', gpu)) ?? 0;
    expect(Math.abs(unowned - 850e6)).toBeLessThan(2048);
    expect(
      await exporter.value('llama_router_model_resident_memory_bytes', { model: 'qwen' }),
    ).toBeGreaterThan(1e8);

    router.unload('qwen');
    await clock.advance(1000);
    await exporter.untilValue('llama_router_model_status', { model: 'qwen', status: 'unloaded' }, 1);
    await until('its memory to be gone', async () => {
      return (await exporter.value(held, { model: 'qwen' })) === undefined;
    });
  } finally {
    await exporter.stop();
    await router.stop();
  }
});

it('reuses its own folder and refuses a folder with other files', () => {
  const router = createTestRouter({ models: [{ id: 'qwen' }] });
  createMachineFiles(folder, router, 8080);
  createMachineFiles(folder, router, 8080);
  expect(readdirSync(join(folder, 'proc')).sort()).toEqual(['100', 'meminfo', 'net']);
  const theirs = join(folder, 'sys');
  writeFileSync(join(theirs, 'precious'), '');
  expect(() => createMachineFiles(theirs, router, 8080)).toThrow(
    'holds other files: give it an empty folder',
  );
});

it('shows a process for each start of a llama-swap model, by its command', async () => {
  const clock = createSteppedClock();
  const swap = createSimulatedSwap({ models: [{ id: 'org/a' }], clock, startPort: 5800 });
  const measure = createSimulatedMemory(swap, '', clock);
  const write = createMachineFiles(folder, swap, 8080);
  const commands = () => {
    write(measure());
    const pids = readdirSync(join(folder, 'proc')).filter((name) => /^\d+$/.test(name));
    return pids.map((pid) => `${pid} ${readFileSync(join(folder, 'proc', pid, 'cmdline'), 'utf8')}`);
  };
  const child = (pid: number) =>
    `${pid} /usr/bin/llama-server --host 127.0.0.1 --port 0 -c 8192 --metrics -m /srv/models/org/a.gguf `
      .replaceAll(' ', '\0')
      .replace('\0', ' ');
  for (const pid of [101, 102]) {
    const request = swap.request('org/a', { tokens: 1 });
    await clock.advance(3000);
    expect(await request).toBe('done');
    expect(commands()).toEqual(['100 llama-swap\0', child(pid)]);
    swap.crash('org/a');
    expect(commands()).toEqual(['100 llama-swap\0']);
  }
});

it('shows the memory of a llama-swap model to an exporter', async () => {
  const models = [{ id: 'org/a', sizeBytes: 16e9, loadSeconds: 0.01 }];
  let show = () => {};
  const swap = createSimulatedSwap({ models, onChange: () => show() });
  const { url } = await swap.listen();
  const measure = createSimulatedMemory(swap, '', systemClock);
  const write = createMachineFiles(folder, swap, Number(new URL(url).port));
  show = () => write(measure());
  show();
  const exporter = await startOnMachine(url);
  try {
    await swap.request('org/a', { tokens: 1 });
    const held = measure().models[0]?.gpus[0]?.bytes ?? 0;
    const kibibytes = Math.round(held / 1024) * 1024;
    await exporter.untilValue('llama_router_model_gpu_memory_used_bytes', { model: 'org/a' }, kibibytes);
  } finally {
    await exporter.stop();
    await swap.stop();
  }
});
