import { join } from 'node:path';
import { ok } from '../lib/result.ts';
import type { DrmPool } from './amdgpu.ts';
import { type DrmCard, INTEL, listDrmCards, readBytes } from './drm-cards.ts';
import type { Source } from './source.ts';

/**
 * Intel's cards. Their kernel drivers tell no used memory of a card, only of each process (fdinfo), and xe alone the
 * size of a card's own memory: so there is a total at most, and never a used.
 */
export function createIntel(sysfs: string): Source<readonly DrmPool[]> {
  return {
    name: 'intel',
    nothing: [],
    async read() {
      const cards = await listDrmCards(sysfs, INTEL);
      if (!cards.ok) return cards;
      return ok((await Promise.all(cards.value.map(poolsOf))).flat());
    },
  };
}

async function poolsOf({ gpu, folder, pciAddress, pciId }: DrmCard): Promise<DrmPool[]> {
  const totalBytes = await readBytes(join(folder, 'tile0/physical_vram_size_bytes'));
  const card = { gpu, uuid: pciAddress, name: `Intel ${pciId}`.trim(), pciAddress };
  return [
    // An integrated card has no such file, and still processes that hold memory through it.
    { ...card, pool: 'vram', ...(totalBytes !== undefined && { totalBytes }) },
    { ...card, pool: 'gtt' },
  ];
}
