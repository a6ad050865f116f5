import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { ok } from '../lib/result.ts';
import type { ProcessTable } from './processes.ts';
import { CONCURRENCY, isAbsence, linkTargets, listFolder, readHead } from './procfs.ts';
import { type Pool, sumOf } from './reading.ts';
import type { Source } from './source.ts';

/** One client of a card (an open file) and its memory. */
export interface DrmClient {
  pciAddress: string;
  id: string;
  /** Undefined values are there and not understood. */
  pools: Readonly<Partial<Record<Pool, number | undefined>>>;
}

/** The memory of a client in one pool of the card at this PCI address. A process may have several. */
export interface DrmAllocation {
  pid: number;
  pciAddress: string;
  pool: Pool;
  bytes: number | undefined;
}

/** More than any fdinfo file has. */
const MAX_BYTES = 8192;

/** Whose allocations are asked for: routers and models, whose files must be readable, and other processes. */
export interface DrmQuestion {
  own: readonly number[];
  others: readonly number[];
}

/** The allocations of these processes, from /proc/PID/fdinfo: drivers amdgpu, xe and i915. */
export function createDrmFdinfo(procfs: string): Source<readonly DrmAllocation[], DrmQuestion> {
  return {
    name: 'drm-fdinfo',
    nothing: [],
    async read({ own, others }) {
      const allocations: DrmAllocation[] = [];
      const unreadable: string[] = [];
      for (const pid of new Set([...own, ...others])) {
        const folder = join(procfs, String(pid), 'fdinfo');
        const files = await listFolder(folder);
        if (!files.ok) {
          if (!isAbsence(files.fault) && own.includes(pid)) unreadable.push(`${folder}: ${files.fault}`);
          continue;
        }
        const read = (file: string) => readHead(join(folder, file), MAX_BYTES);
        const texts = await mapLimited(CONCURRENCY, files.value, read);
        allocations.push(...allocationsOf(pid, texts));
      }
      const [first] = unreadable;
      if (first === undefined) return ok(allocations);
      const remedy = "Run the exporter as llama-server's user, as root or with CAP_SYS_PTRACE";
      return { ...ok(allocations), notes: { fault: `cannot read ${first}. ${remedy}` } };
    },
  };
}

/**
 * Returns a function that finds the processes that have opened an AMD or Intel card. Those of other users are found
 * only as root or with CAP_SYS_PTRACE. A process that opens a card later is found when it is inspected again.
 */
export function createDrmClients(procfs: string): (table: ProcessTable) => Promise<number[]> {
  const clients = new Set<number>();
  return async ({ pids, inspected }) => {
    for (const pid of clients) if (!pids.has(pid)) clients.delete(pid);
    await mapLimited(CONCURRENCY, inspected, async (pid) => {
      // Without a free file descriptor, nothing new is known of it.
      const targets = await linkTargets(join(procfs, String(pid), 'fd')).catch(() => undefined);
      if (targets === undefined) return;
      if (targets.ok && targets.value.some((target) => target.startsWith('/dev/dri/'))) clients.add(pid);
      else clients.delete(pid);
    });
    return [...clients];
  };
}

/** A client counts once, however many copies of its file are open. */
function allocationsOf(pid: number, texts: readonly (string | undefined)[]): DrmAllocation[] {
  const clients = texts.flatMap((text) => parseFdinfo(text ?? '') ?? []);
  const unique = new Map(clients.map((client) => [`${client.pciAddress} ${client.id}`, client]));
  return [...unique.values()].flatMap(({ pciAddress, pools }) =>
    (['vram', 'gtt'] as const).flatMap((pool) =>
      pool in pools ? [{ pid, pciAddress, pool, bytes: pools[pool] }] : [],
    ),
  );
}

/**
 * Parses one fdinfo file; undefined if it does not belong to a card. amdgpu had other words in Linux 5.14 to 5.18:
 * `pdev`, `pasid`, `vram mem`, `gtt mem`.
 */
export function parseFdinfo(text: string): DrmClient | undefined {
  const keys = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) keys.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const pciAddress = keys.get('drm-pdev') ?? keys.get('pdev');
  if (!pciAddress) return undefined;
  // Copies of an open file have the same text.
  const id = keys.get('drm-client-id') ?? keys.get('pasid') ?? text;
  const pools: Partial<Record<Pool, number | undefined>> = {};
  for (const region of new Set([...keys.keys()].flatMap(regionOf))) {
    const pool = poolOf(region);
    // A region may have three keys. Resident memory counts; `memory` is its older name.
    const names = ['resident', 'memory', 'total'].map((kind) => `drm-${kind}-${region}`);
    const sizes = [...names, `${region} mem`].map((key) => parseSize(keys.get(key)));
    const size = sizes.find((each) => each !== undefined);
    if (pool) pools[pool] = pool in pools ? sumOf([pools[pool], size]) : size;
  }
  return { pciAddress, id, pools };
}

function regionOf(key: string): string[] {
  const [, now, before] = /^(?:drm-(?:resident|memory|total)-([a-z]+\d*)|(vram|gtt) mem)$/.exec(key) ?? [];
  return [now ?? before ?? []].flat();
}

/** `vram` (amdgpu), `vram0` (xe), `local0` (i915); system memory is `gtt`, `system`, `system0`. */
function poolOf(region: string): Pool | undefined {
  if (/^(vram|local)\d*$/.test(region)) return 'vram';
  return /^(gtt|system)\d*$/.test(region) ? 'gtt' : undefined;
}

/** Bytes of `23992 KiB`, `16 MiB` or a plain number. */
function parseSize(text: string | undefined): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,15})(?:\s+(kB|KiB|MiB|GiB))?$/.exec(text ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNITS[unit] ?? 1);
}

const UNITS: Readonly<Record<string, number>> = { kB: 1024, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
