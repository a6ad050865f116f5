import { expect, it } from '@jest/globals';
import { startExporter } from '../support/exporter.ts';
import { playRecording } from '../support/fake-nvidia-smi.ts';
import { createTestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

/** The service with this recording of nvidia-smi and a simulated router, whose models have no processes. */
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
