import { join } from 'node:path';
import { ok } from '../lib/result.ts';
import { AMD, type DrmCard, listDrmCards, readBytes } from './drm-cards.ts';
import { readText } from './procfs.ts';
import type { GpuPool } from './reading.ts';
import type { Source } from './source.ts';

/** A pool, and the PCI address by which fdinfo knows its card. */
export interface DrmPool extends GpuPool {
  pciAddress: string;
}

/**
 * AMD's cards: their own memory, and what of the machine's they may use (GTT). Models of an APU live there: both
 * are told apart by `pool`.
 */
export function createAmdgpu(sysfs: string): Source<readonly DrmPool[]> {
  return {
    name: 'amdgpu',
    nothing: [],
    async read() {
      const cards = await listDrmCards(sysfs, AMD);
      if (!cards.ok) return cards;
      return ok((await Promise.all(cards.value.map(poolsOf))).flat());
    },
  };
}

async function poolsOf(card: DrmCard): Promise<DrmPool[]> {
  const { gpu, pciAddress } = card;
  const uuid = (await nameIn(card, 'unique_id')) ?? pciAddress;
  const name = (await nameIn(card, 'product_name')) ?? `AMD ${card.pciId}`.trim();
  const pools: DrmPool[] = [];
  for (const pool of ['vram', 'gtt'] as const) {
    const totalBytes = await readBytes(join(card.folder, `mem_info_${pool}_total`));
    const usedBytes = await readBytes(join(card.folder, `mem_info_${pool}_used`));
    // Another driver (radeon) drives the card: it tells neither.
    if (totalBytes === undefined && usedBytes === undefined) continue;
    pools.push({
      ...{ gpu, uuid, name, pool, pciAddress },
      ...(totalBytes !== undefined && { totalBytes }),
      ...(usedBytes !== undefined && { usedBytes }),
    });
  }
  return pools;
}

async function nameIn({ folder }: DrmCard, file: string): Promise<string | undefined> {
  const text = await readText(join(folder, file));
  return text.ok ? text.value.trim() || undefined : undefined;
}
