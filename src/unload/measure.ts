import type { Config } from '../config/schema.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import type { Memory } from '../memory/memory.ts';
import type { GpuFault, RouterMemory } from '../memory/router-memory.ts';
import type { Selection } from './request.ts';

/**
 * Measures the memory that a router's models share; undefined where it is not measured. `briefly` falls back to the last
 * reading where a new one takes long; `patiently` waits for a new one.
 */
export type Measure = (router: string, how: 'briefly' | 'patiently') => Promise<RouterMemory | undefined>;

/** The longest that unloads wait for a new reading: it takes milliseconds, unless a driver is slow. */
const BRIEFLY_MS = 2000;

/** Timeouts of one source: of two in the reading that runs, and of two in the next. */
const TIMEOUTS_OF_A_READING = 4;

/** Measures with the memory of this machine. */
export function measureBy(memory: Pick<Memory, 'fresh' | 'ofRouter'>, config: () => Config): Measure {
  return async (router, how) => {
    const last = memory.ofRouter(router);
    if (last === undefined) return undefined;
    const timeoutMs = TIMEOUTS_OF_A_READING * config().memory.timeout * 1000;
    const fresh = await memory.fresh(how === 'briefly' ? Math.min(BRIEFLY_MS, timeoutMs) : timeoutMs);
    if (fresh) return memory.ofRouter(router);
    return how === 'briefly' ? last : undefined;
  };
}

/**
 * The memory that a selection is about, undefined where it is not measured; a fault when the selection needs it, or names
 * a GPU that is unknown.
 */
export function memoryFor(
  { target, gpus }: Selection,
  memory: RouterMemory | undefined,
): Result<RouterMemory | undefined, GpuFault> {
  if (memory) return gpus === undefined ? ok(memory) : memory.onGpus(gpus);
  const isRatio = target !== undefined && 'untilRatio' in target;
  const isByGpu = target !== undefined && 'freeOnOneGpu' in target;
  const needs = gpus ? 'a GPU as selection' : isRatio ? 'until_ratio' : isByGpu ? 'need_bytes' : undefined;
  if (needs === undefined) return ok(undefined);
  const way = isRatio ? 'use free_bytes, or run' : 'run';
  const message = `the GPU memory of this router is not measured, which ${needs} needs: ${way} the exporter on its host`;
  return failed({ kind: 'unmeasured', message });
}
