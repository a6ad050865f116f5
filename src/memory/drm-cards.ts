import { join } from 'node:path';
import { failed, ok, type Result } from '../lib/result.ts';
import { withIdentities } from './cards.ts';
import type { DrmAllocation } from './drm-fdinfo.ts';
import { isAbsence, listFolder, readBinary, readText } from './procfs.ts';
import type { Allocation, GpuPool } from './reading.ts';
import type { Source } from './source.ts';

/** A pool, and the PCI address by which fdinfo knows its card. */
export interface DrmPool extends GpuPool {
  pciAddress: string;
}

/** A card in /sys/class/drm. */
interface DrmCard {
  /** N of /sys/class/drm/cardN. */
  gpu: string;
  folder: string;
  pciAddress: string;
  /** Vendor and device in hexadecimal, `1002:744C`. */
  pciId: string;
}

/** Vendors as in `device/vendor`. */
const AMD = '0x1002';
const INTEL = '0x8086';

/** AMD cards with their two pools, `vram` and `gtt`. The models of an APU are in both. */
export function createAmdgpu(sysfs: string): Source<readonly DrmPool[]> {
  const integrated = new Map<string, boolean>();
  return cardSource('amdgpu', sysfs, AMD, async ({ gpu, folder, pciAddress, pciId }) => {
    const isApu = integrated.get(pciAddress) ?? (await isIntegrated(folder));
    integrated.set(pciAddress, isApu);
    const uuid = (await readWord(join(folder, 'unique_id'))) ?? pciAddress;
    const name = (await readWord(join(folder, 'product_name'))) ?? `AMD ${pciId}`.trim();
    const pools: DrmPool[] = [];
    for (const pool of ['vram', 'gtt'] as const) {
      const totalBytes = await readBytes(join(folder, `mem_info_${pool}_total`));
      const usedBytes = await readBytes(join(folder, `mem_info_${pool}_used`));
      // Both are missing with the old driver radeon.
      if (totalBytes === undefined && usedBytes === undefined) continue;
      pools.push({ gpu, uuid, name, pool, pciAddress, integrated: isApu, totalBytes, usedBytes });
    }
    return pools;
  });
}

/**
 * Intel cards. Their drivers report used memory per process only (fdinfo), and the size of a card's memory only xe.
 * An integrated card has no memory of its own, but its processes have allocations.
 */
export function createIntel(sysfs: string): Source<readonly DrmPool[]> {
  return cardSource('intel', sysfs, INTEL, async ({ gpu, folder, pciAddress, pciId }) => {
    const totalBytes = await readBytes(join(folder, 'tile0/physical_vram_size_bytes'));
    // An integrated card is on the root bus.
    const integrated = /^0000:00:/.test(pciAddress);
    const card = { gpu, uuid: pciAddress, name: `Intel ${pciId}`.trim(), pciAddress, integrated };
    return [
      { ...card, pool: 'vram', totalBytes },
      { ...card, pool: 'gtt' },
    ];
  });
}

/**
 * Whether an AMD card is part of a processor (APU), as its kernel driver tells: a card of its own has `board_info`
 * (Linux 6.7) and the vendor of its memory; the layout of `gpu_metrics` is 1.x for cards and 2.x or 3.x for APUs. On
 * older APUs the processor sees all of `vram`. Read once: `gpu_metrics` may wake a sleeping card.
 */
async function isIntegrated(folder: string): Promise<boolean> {
  if ((await readWord(join(folder, 'board_info'))) !== undefined) return false;
  const metrics = await readBinary(join(folder, 'gpu_metrics'));
  const layout = metrics?.[2];
  if (layout !== undefined && layout > 0) return layout > 1;
  if ((await readWord(join(folder, 'mem_info_vram_vendor'))) !== undefined) return false;
  const total = await readBytes(join(folder, 'mem_info_vram_total'));
  return total !== undefined && total === (await readBytes(join(folder, 'mem_info_vis_vram_total')));
}

/** Allocations by the uuid of their card; those on unlisted cards are dropped. */
export function onKnownCards(allocations: readonly DrmAllocation[], pools: readonly DrmPool[]): Allocation[] {
  return allocations.flatMap(({ pid, pciAddress, pool, bytes }) => {
    const card = pools.find((each) => each.pciAddress === pciAddress && each.pool === pool);
    return card ? [{ pid, uuid: card.uuid, pool, bytes }] : [];
  });
}

function cardSource(
  name: string,
  sysfs: string,
  vendor: string,
  poolsOf: (card: DrmCard) => Promise<DrmPool[]>,
): Source<readonly DrmPool[]> {
  return {
    name,
    nothing: [],
    async read() {
      const cards = await listCards(sysfs, vendor);
      return cards.ok ? ok(withIdentities((await Promise.all(cards.value.map(poolsOf))).flat())) : cards;
    },
  };
}

/** The cards of one vendor; none on a machine without DRM. */
async function listCards(sysfs: string, vendor: string): Promise<Result<DrmCard[], string>> {
  const root = join(sysfs, 'class/drm');
  const names = await listFolder(root);
  if (!names.ok) return isAbsence(names.fault) ? ok([]) : failed(`cannot read ${root}: ${names.fault}`);
  const cards: DrmCard[] = [];
  // Without connectors such as card0-DP-1.
  for (const name of names.value.filter((each) => /^card\d+$/.test(each)).sort()) {
    const folder = join(root, name, 'device');
    if ((await readWord(join(folder, 'vendor'))) !== vendor) continue;
    const uevent = await readText(join(folder, 'uevent'));
    const propertyOf = (key: string) =>
      uevent.ok ? new RegExp(`^${key}=(.+)$`, 'm').exec(uevent.value)?.[1] : undefined;
    cards.push({
      gpu: name.slice('card'.length),
      folder,
      pciAddress: propertyOf('PCI_SLOT_NAME') ?? name,
      pciId: propertyOf('PCI_ID') ?? '',
    });
  }
  return ok(cards);
}

async function readWord(path: string): Promise<string | undefined> {
  const text = await readText(path);
  return text.ok ? text.value.trim() || undefined : undefined;
}

async function readBytes(path: string): Promise<number | undefined> {
  const word = (await readWord(path)) ?? '';
  const bytes = Number(word);
  return /^(\d+|0x[0-9a-f]+)$/i.test(word) && Number.isSafeInteger(bytes) ? bytes : undefined;
}
