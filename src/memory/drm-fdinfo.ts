import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { failed, ok } from '../lib/result.ts';
import { isAbsence, listFolder, readHead } from './procfs.ts';
import type { Pool } from './reading.ts';
import type { Source } from './source.ts';

/** One client of a card (an open file) and its memory. */
export interface DrmClient {
  pciAddress: string;
  id: string;
  pools: Readonly<Partial<Record<Pool, number>>>;
}

/** The memory of a client in one pool of the card at this PCI address. A process may have several. */
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
        const files = await listFolder(folder);
        if (!files.ok) {
          if (isAbsence(files.fault)) continue;
          return failed(
            `cannot read ${folder}: ${files.fault}. Run the exporter as llama-server's user, as root or with CAP_SYS_PTRACE`,
          );
        }
        const read = (file: string) => readHead(join(folder, file), MAX_BYTES);
        const texts = await mapLimited(CONCURRENCY, files.value, read);
        allocations.push(...allocationsOf(pid, texts));
      }
      return ok(allocations);
    },
  };
}

/** A client counts once, however many copies of its file are open. */
function allocationsOf(pid: number, texts: readonly (string | undefined)[]): DrmAllocation[] {
  const clients = texts.flatMap((text) => parseFdinfo(text ?? '') ?? []);
  const unique = new Map(clients.map((client) => [`${client.pciAddress} ${client.id}`, client]));
  return [...unique.values()].flatMap(({ pciAddress, pools }) =>
    (['vram', 'gtt'] as const).flatMap((pool) => {
      const bytes = pools[pool];
      return bytes === undefined ? [] : [{ pid, pciAddress, pool, bytes }];
    }),
  );
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
