import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { codeOf } from '../lib/error-code.ts';
import { failed, ok } from '../lib/result.ts';
import { isAbsence, readHead } from './procfs.ts';
import type { Pool } from './reading.ts';
import type { Source } from './source.ts';

/** What one client of a card, an open file in effect, holds in it. */
export interface DrmClient {
  pciAddress: string;
  id: string;
  pools: Readonly<Partial<Record<Pool, number>>>;
}

/** What a process holds on the card at this PCI address. */
export interface DrmHolding {
  pid: number;
  pciAddress: string;
  pool: Pool;
  bytes: number;
}

/** Files read at once: what a driver makes of one may take its time. */
const AT_ONCE = 8;

/** Longer than any fdinfo: some forty keys. */
const MOST_BYTES = 8192;

/**
 * What these processes hold on cards whose drivers tell it in /proc/PID/fdinfo: amdgpu, xe, i915. Another user's
 * process shows it only to root and to whoever may trace it.
 */
export function createDrmFdinfo(procfs: string): Source<readonly DrmHolding[], readonly number[]> {
  return {
    name: 'drm-fdinfo',
    nothing: [],
    async read(pids) {
      const holdings: DrmHolding[] = [];
      for (const pid of pids) {
        const folder = join(procfs, String(pid), 'fdinfo');
        let files: string[];
        try {
          files = await readdir(folder);
        } catch (error) {
          if (isAbsence(codeOf(error))) continue;
          return failed(
            `${folder} cannot be read (${codeOf(error)}): run as llama-server's user, as root or with CAP_SYS_PTRACE`,
          );
        }
        const texts = await mapLimited(AT_ONCE, files, (file) => readHead(join(folder, file), MOST_BYTES));
        const clients = texts.flatMap((text) => parseFdinfo(text ?? '') ?? []);
        holdings.push(...sumClients(clients).map((holding) => ({ pid, ...holding })));
      }
      return ok(holdings);
    },
  };
}

/** One fdinfo file; undefined when it is not of a card. */
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
  // The same region may stand there three times: what is resident counts, under its new name or its old one.
  const regions = new Set([...keys.keys()].flatMap((key) => REGION.exec(key)?.[1] ?? []));
  for (const region of regions) {
    const pool = poolOf(region);
    const written = ['resident', 'memory', 'total'].map((kind) => keys.get(`drm-${kind}-${region}`));
    const bytes = written.map(bytesOf).find((value) => value !== undefined);
    if (pool && bytes !== undefined) pools[pool] = (pools[pool] ?? 0) + bytes;
  }
  return { pciAddress, id, pools };
}

const REGION = /^drm-(?:resident|memory|total)-([a-z]+\d*)$/;

/** `vram` of amdgpu and `vram0` of xe, `local0` of i915; the machine's memory is `gtt`, `system`, `system0`. */
function poolOf(region: string): Pool | undefined {
  if (/^(vram|local)\d*$/.test(region)) return 'vram';
  return /^(gtt|system)\d*$/.test(region) ? 'gtt' : undefined;
}

/** `23992 KiB`, `16 MiB`; bytes without a unit. */
function bytesOf(written: string | undefined): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,15})(?:\s+(KiB|MiB|GiB))?$/.exec(written ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNITS[unit] ?? 1);
}

const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A client counts once, however many open files it has: copies of a file are all of one client. */
export function sumClients(clients: readonly DrmClient[]): Omit<DrmHolding, 'pid'>[] {
  const seen = new Set<string>();
  const sums = new Map<string, Omit<DrmHolding, 'pid'>>();
  for (const { pciAddress, id, pools } of clients) {
    const client = `${pciAddress} ${id}`;
    if (seen.has(client)) continue;
    seen.add(client);
    for (const pool of ['vram', 'gtt'] as const) {
      const key = `${pciAddress} ${pool}`;
      const before = sums.get(key)?.bytes ?? 0;
      const bytes = pools[pool];
      if (bytes !== undefined) sums.set(key, { pciAddress, pool, bytes: before + bytes });
    }
  }
  return [...sums.values()];
}
