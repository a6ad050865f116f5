import type { DrmPool } from './amdgpu.ts';
import type { DrmHolding } from './drm-fdinfo.ts';
import type { NvidiaFacts } from './nvidia-smi.ts';
import type { MeasuredPool } from './owners.ts';
import type { Holding, Pool } from './reading.ts';

/** Each vendor's facts as pools and holdings. A card that shares the machine's memory has that as its pool. */
export function nvidiaPools(facts: NvidiaFacts | undefined): MeasuredPool[] {
  const { devices, holdings } = facts ?? { devices: [], holdings: [] };
  const uuids = new Set(devices.map(({ uuid }) => uuid));
  // What is listed under a MIG instance's own uuid is on one of the divided cards, and nobody tells on which.
  const hasStrangers = holdings.some(({ uuid }) => !uuids.has(uuid));
  return devices.map(({ unified, divided, ...device }) => ({
    ...device,
    pool: poolOf(unified),
    tellsHoldings: !(divided && hasStrangers),
  }));
}

export function nvidiaHoldings(facts: NvidiaFacts | undefined): Holding[] {
  const { devices, holdings } = facts ?? { devices: [], holdings: [] };
  const unified = new Set(devices.filter((device) => device.unified).map(({ uuid }) => uuid));
  return holdings.map((holding) => ({ ...holding, pool: poolOf(unified.has(holding.uuid)) }));
}

export function drmPools(pools: readonly DrmPool[], tellsHoldings: boolean): MeasuredPool[] {
  return pools.map(({ pciAddress: _, ...pool }) => ({ ...pool, tellsHoldings }));
}

/** On cards that are not listed, such as one of a vendor that tells no memory, nothing is held that we could name. */
export function drmHoldings(pools: readonly DrmPool[], holdings: readonly DrmHolding[]): Holding[] {
  return holdings.flatMap(({ pid, pciAddress, pool, bytes }) => {
    const card = pools.find((each) => each.pciAddress === pciAddress && each.pool === pool);
    return card ? [{ pid, uuid: card.uuid, pool, bytes }] : [];
  });
}

function poolOf(unified: boolean): Pool {
  return unified ? 'host' : 'vram';
}
