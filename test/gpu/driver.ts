import { execFileSync } from 'node:child_process';

const MEBIBYTE = 1024 * 1024;

/** A card in the driver's words. Memory in bytes. */
export interface Card {
  readonly uuid: string;
  readonly name: string;
  readonly driver: string;
  readonly totalBytes: number;
  readonly usedBytes: number;
  /** Less than the unused rest: the driver reserves a part. */
  readonly freeBytes: number;
}

/** The first card of this machine, asked now and apart from the exporter. */
export function firstCard(): Card {
  const [line = ''] = ask('--query-gpu=uuid,driver_version,memory.total,memory.used,memory.free,name');
  const [uuid = '', driver = '', total, used, free, ...name] = line.split(', ');
  return {
    uuid,
    driver,
    name: name.join(', '),
    totalBytes: Number(total) * MEBIBYTE,
    usedBytes: Number(used) * MEBIBYTE,
    freeBytes: Number(free) * MEBIBYTE,
  };
}

/** Bytes of the card per process ID, of all processes that compute. */
export function computeProcesses(): Map<number, number> {
  const lines = ask('--query-compute-apps=pid,used_gpu_memory').map((line) => line.split(', '));
  return new Map(lines.map(([pid, used]) => [Number(pid), Number(used) * MEBIBYTE]));
}

/**
 * Bytes of the card that a process holds, also one that only draws: the query for computing processes leaves those out,
 * such as a router that runs on Vulkan. Undefined if the driver lists none.
 */
export function heldBy(pid: number): number | undefined {
  const list = execFileSync('nvidia-smi', ['-q', '-d', 'PIDS'], { encoding: 'utf8' });
  const [, used] =
    new RegExp(`Process ID +: ${pid}\\n(?:.*\\n)*? +Used GPU Memory +: (\\d+) MiB`).exec(list) ?? [];
  return used === undefined ? undefined : Number(used) * MEBIBYTE;
}

/** The driver's table for people, for the record. */
export const table = () => execFileSync('nvidia-smi', { encoding: 'utf8' });

function ask(query: string): string[] {
  const csv = execFileSync('nvidia-smi', [query, '--format=csv,noheader,nounits'], { encoding: 'utf8' });
  return csv.split('\n').filter((line) => line !== '');
}
