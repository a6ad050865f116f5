import { expect, it } from '@jest/globals';
import { startExporter } from '../support/exporter.ts';
import { playRecording } from '../support/fake-nvidia-smi.ts';
import { createTestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

/** The service on a machine whose nvidia-smi is this recording, and on which no simulated model has a process. */
async function exporterWith(recording: string, timeout = '10s') {
  const router = createTestRouter();
  await router.listen();
  const exporter = await startExporter([router.url], {
    'memory.interval': '200ms',
    'memory.timeout': timeout,
    'memory.nvidia-smi': playRecording(recording),
    'path.sysfs': '/nowhere',
  });
  const stop = async () => {
    await exporter.stop();
    await router.stop();
  };
  const success = () => exporter.value('llama_router_collector_success', { collector: 'nvidia-smi' });
  return { exporter, stop, success };
}

it('a driver that hangs is reported, and holds up no scrape', async () => {
  const { exporter, stop, success } = await exporterWith('hang', '1s');
  try {
    const longest = { ms: 0 };
    await until('the fault', async () => {
      const startedAt = performance.now();
      const value = await success();
      longest.ms = Math.max(longest.ms, performance.now() - startedAt);
      return value === 0;
    });
    expect(longest.ms).toBeLessThan(700);
    expect(await exporter.scrape()).not.toContain('llama_router_gpu_memory');
    expect(await exporter.value('llama_router_collector_success', { collector: 'processes' })).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(exporter.log().split('memory cannot be read')).toHaveLength(2);
    expect(exporter.log()).toContain('collector=nvidia-smi error="no answer within 1 s: it is killed');
  } finally {
    await stop();
  }
});

it('cards are published by the names that their driver has for them', async () => {
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
