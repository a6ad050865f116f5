import { expect, it } from '@jest/globals';
import { collectMemory } from '../../src/collectors/memory.ts';
import { createScrape } from '../../src/collectors/scrape.ts';
import type { MemoryReading } from '../../src/memory/reading.ts';
import { aReading } from '../support/a-reading.ts';
import { parseExposition } from '../support/exposition.ts';
import { HOSTILE_ID } from '../support/fleets.ts';
import { expectGolden } from '../support/golden.ts';

const GIB = 1024 ** 3;
const RTX = { gpu: '0', uuid: 'GPU-5f0c', name: 'NVIDIA GeForce RTX 3090', pool: 'vram' } as const;
const APU = { gpu: '1', uuid: '0000:c5:00.0', name: 'AMD 1002:1586', integrated: true } as const;

const reading = aReading({
  reports: [
    { collector: 'nvidia-smi', seconds: 0.25, malformed: 2 },
    { collector: 'drm-fdinfo', seconds: 3, fault: 'no response within 3 s' },
  ],
  gpus: [
    { ...RTX, totalBytes: 24 * GIB, usedBytes: 20 * GIB, unownedBytes: 3 * GIB },
    { ...APU, pool: 'vram', totalBytes: GIB / 2, usedBytes: GIB / 4 },
    { ...APU, pool: 'gtt', totalBytes: 124 * GIB },
  ],
  cards: [
    { collector: 'nvidia-smi', ...RTX },
    { collector: 'amdgpu', ...APU, lost: 'the driver does not list it any more' },
  ],
  routers: [
    { router: 'gpu-box', residentBytes: GIB / 8, gpus: [{ uuid: RTX.uuid, pool: 'vram', bytes: GIB / 2 }] },
  ],
  orphans: [{ router: 'attic', model: 'qwen3-8b', pid: 4711, residentBytes: GIB, gpus: [] }],
  models: [
    {
      ...{ router: 'gpu-box', model: 'qwen3-8b', residentBytes: GIB, cpuSeconds: 12.5 },
      gpus: [
        { uuid: RTX.uuid, pool: 'vram', bytes: 5 * GIB },
        { uuid: APU.uuid, pool: 'vram', bytes: GIB / 8 },
        { uuid: APU.uuid, pool: 'gtt', bytes: GIB },
      ],
    },
    { router: 'gpu-box', model: HOSTILE_ID, cpuSeconds: 0, gpus: [] },
  ],
});

function scraping(current: () => MemoryReading | undefined) {
  const scrape = createScrape([collectMemory({ reading: current })]);
  return () => scrape('text').join('');
}

it('a reading is published', () => {
  const text = scraping(() => reading)();
  expectGolden('scrape-memory.prom', text);
  parseExposition(text);
});

it('nothing is published without a recent reading', () => {
  let current: MemoryReading | undefined;
  const scrape = scraping(() => current);
  expect(scrape()).toBe('');
  current = reading;
  expect(scrape()).not.toBe('');
  current = undefined;
  expect(scrape()).toBe('');
});
