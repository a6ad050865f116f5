import { expect, it } from '@jest/globals';
import type { MemoryView } from '../../src/http/view-schemas.ts';
import { startExporter } from '../support/exporter.ts';
import { playRecording } from '../support/fake-nvidia-smi.ts';
import { createTestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

/** The service with this recording of nvidia-smi and a simulated router, whose models have no processes. */
async function exporterWith(recording: string, timeout = '10s', env: Record<string, string> = {}) {
  const router = createTestRouter();
  await router.listen();
  const flags = {
    'memory.interval': '200ms',
    'memory.timeout': timeout,
    'memory.nvidia-smi': playRecording(recording),
    'path.sysfs': '/nowhere',
  };
  const exporter = await startExporter([router.url], flags, env);
  const stop = async () => {
    await exporter.stop();
    await router.stop();
  };
  const success = () => exporter.value('llama_router_collector_success', { collector: 'nvidia-smi' });
  return { exporter, stop, success };
}

it('a driver that hangs delays no scrape', async () => {
  const { exporter, stop } = await exporterWith('hang', '60s');
  try {
    expect(await exporter.scrape()).not.toContain('llama_router_gpu_memory');
    expect(exporter.service.memory.reading()).toBeUndefined();
  } finally {
    await stop();
  }
});

it('a driver that hangs is reported once', async () => {
  const { exporter, stop, success } = await exporterWith('hang', '1s');
  try {
    await until('the fault', async () => (await success()) === 0);
    expect(await exporter.scrape()).not.toContain('llama_router_gpu_memory');
    await exporter.service.memory.fresh(5000);
    expect(exporter.log().match(/memory source failed.*collector=nvidia-smi/g)).toHaveLength(1);
    expect(exporter.log()).toContain(
      'collector=nvidia-smi error="no response within 1 s; nvidia-smi was killed',
    );
  } finally {
    await stop();
  }
});

it('cards are published with the names of their driver', async () => {
  const { exporter, stop, success } = await exporterWith('two-cards');
  try {
    await until('a reading', async () => (await success()) === 1);
    const labels = {
      gpu: '1',
      gpu_uuid: 'GPU-a1b2c3d4-0e1f-4a2b-9c3d-4e5f60718293',
      name: 'NVIDIA RTX A6000',
      pool: 'vram',
    };
    expect(await exporter.value('llama_router_gpu_memory_used_bytes', labels)).toBe(8211 * 1024 * 1024);
    expect(exporter.service.memory.ofRouter('elsewhere')).toBeUndefined();
  } finally {
    await stop();
  }
});

it('a lost card has a series, a failed collector and one line in the log; healthy cards stay', async () => {
  const { exporter, stop, success } = await exporterWith('one-lost');
  try {
    await until('a reading', async () => (await success()) === 0);
    await exporter.service.memory.fresh(5000);
    const lost = (gpu: string) => exporter.value('llama_router_gpu_lost', { collector: 'nvidia-smi', gpu });
    expect([await lost('0'), await lost('1')]).toEqual([0, 1]);
    const used = (gpu: string) => exporter.value('llama_router_gpu_memory_used_bytes', { gpu });
    expect([await used('0'), await used('1')]).toEqual([21_050 * 1024 * 1024, undefined]);
    expect(exporter.log().match(/memory source failed.*RTX A6000.*is lost: GPU is lost/g)).toHaveLength(1);
  } finally {
    await stop();
  }
});

it('a warning of the driver is logged once, and its values are published', async () => {
  const { exporter, stop, success } = await exporterWith('inforom');
  try {
    await until('a reading', async () => (await success()) === 1);
    await exporter.service.memory.fresh(5000);
    expect(await exporter.value('llama_router_gpu_memory_used_bytes', { gpu: '1' })).toBe(8211 * 1024 * 1024);
    expect(await exporter.value('llama_router_collector_malformed_lines', { collector: 'nvidia-smi' })).toBe(
      2,
    );
    expect(exporter.log().match(/memory source has a warning.*infoROM is corrupted/g)).toHaveLength(1);
  } finally {
    await stop();
  }
});

it('the API names the largest other processes, as many as configured', async () => {
  const { exporter, stop, success } = await exporterWith('two-cards', '10s', {
    LLAMA_ROUTER_EXPORTER_MEMORY_OTHER_PROCESSES: '1',
  });
  try {
    await until('a reading', async () => (await success()) === 1);
    const memory = (await (await fetch(`${exporter.url}/api/v1/memory`)).json()) as MemoryView;
    expect(memory.gpus.map(({ gpu, other_processes }) => [gpu, other_processes])).toEqual([
      ['0', [{ pid: 4101, name: expect.any(String), bytes: 18_022 * 1024 * 1024 }]],
      ['1', [{ pid: 4101, name: expect.any(String), bytes: 5120 * 1024 * 1024 }]],
    ]);
    expect(await exporter.scrape()).not.toContain('"4101"');
  } finally {
    await stop();
  }
});
