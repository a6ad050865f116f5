import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { codeOf } from '../lib/error-code.ts';
import { failed, ok } from '../lib/result.ts';
import { isAbsence, readHead } from './procfs.ts';
import type { Pool } from './reading.ts';
import type { Source } from './source.ts';

/** One client of a card (an open file) and its memory. */
export interface DrmClient {
  pciAddress: string;
  id: string;
  pools: Readonly<Partial<Record<Pool, number>>>;
}

/** The memory of a process in one pool of the card at this PCI address. */
export interface DrmAllocation {
  pid: number;
  pciAddress: string;
  pool: Pool;
  bytes: number;
}

/** Files read at the same time. */
const CONCURRENCY = 8;

/** More than any fdinfo file has. */
const MAX_BYTES = 8192;

/** The allocations of these processes, from /proc/PID/fdinfo: drivers amdgpu, xe and i915. */
export function createDrmFdinfo(procfs: string): Source<readonly DrmAllocation[], readonly number[]> {
  return {
    name: 'drm-fdinfo',
    nothing: [],
    async read(pids) {
      const allocations: DrmAllocation[] = [];
      for (const pid of pids) {
        const folder = join(procfs, String(pid), 'fdinfo');
        let files: string[];
        try {
          files = await readdir(folder);
        } catch (error) {
          if (isAbsence(codeOf(error))) continue;
          return failed(
            `cannot read ${folder}: ${codeOf(error)}. Run the exporter as llama-server's user, as root or with CAP_SYS_PTRACE`,
          );
        }
        const texts = await mapLimited(CONCURRENCY, files, (file) => readHead(join(folder, file), MAX_BYTES));
        const clients = texts.flatMap((text) => parseFdinfo(text ?? '') ?? []);
        allocations.push(...sumClients(clients).map((sum) => ({ pid, ...sum })));
      }
      return ok(allocations);
    },
  };
}

/** Parses one fdinfo file; undefined if it does not belong to a card. */
export function parseFdinfo(text: string): DrmClient | undefined {
  const keys = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (line.startsWith('drm-') && colon > 0) keys.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const pciAddress = keys.get('drm-pdev');
  const id = keys.get('drm-client-id');
  if (!pciAddress || !id) return undefined;
  const pools: Partial<Record<Pool, number>> = {};
  // A region may have three keys. Resident memory counts; `memory` is its older name.
  const regions = new Set([...keys.keys()].flatMap((key) => REGION.exec(key)?.[1] ?? []));
  for (const region of regions) {
    const pool = poolOf(region);
    const values = ['resident', 'memory', 'total'].map((kind) => keys.get(`drm-${kind}-${region}`));
    const bytes = values.map(parseSize).find((value) => value !== undefined);
    if (pool && bytes !== undefined) pools[pool] = (pools[pool] ?? 0) + bytes;
  }
  return { pciAddress, id, pools };
}

const REGION = /^drm-(?:resident|memory|total)-([a-z]+\d*)$/;

/** `vram` (amdgpu), `vram0` (xe), `local0` (i915); system memory is `gtt`, `system`, `system0`. */
function poolOf(region: string): Pool | undefined {
  if (/^(vram|local)\d*$/.test(region)) return 'vram';
  return /^(gtt|system)\d*$/.test(region) ? 'gtt' : undefined;
}

/** Bytes of `23992 KiB`, `16 MiB` or a plain number. */
function parseSize(text: string | undefined): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,15})(?:\s+(KiB|MiB|GiB))?$/.exec(text ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNITS[unit] ?? 1);
}

const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Sums by card and pool. A client counts once, however many copies of its file are open. */
export function sumClients(clients: readonly DrmClient[]): Omit<DrmAllocation, 'pid'>[] {
  const unique = new Map(clients.map((client) => [`${client.pciAddress} ${client.id}`, client]));
  const sums = new Map<string, Omit<DrmAllocation, 'pid'>>();
  for (const { pciAddress, pools } of unique.values()) {
    for (const pool of ['vram', 'gtt'] as const) {
      const bytes = pools[pool];
      if (bytes === undefined) continue;
      const key = `${pciAddress} ${pool}`;
      sums.set(key, { pciAddress, pool, bytes: (sums.get(key)?.bytes ?? 0) + bytes });
    }
  }
  return [...sums.values()];
}
