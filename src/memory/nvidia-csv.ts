import { failed, ok, type Result } from '../lib/result.ts';
import type { GpuPool, Holding } from './reading.ts';

/** What is asked of each card, in this order; the name last, for nobody promises that it holds no comma. */
export const DEVICE_FIELDS = [
  'index',
  'uuid',
  'mig.mode.current',
  'memory.total',
  'memory.used',
  'name',
] as const;

/** What is asked of each process that computes. */
export const PROCESS_FIELDS = ['gpu_uuid', 'pid', 'used_gpu_memory'] as const;

export interface NvidiaDevice extends Omit<GpuPool, 'pool'> {
  /** It has no memory of its own to tell of: it shares the machine's (GB10, Jetson). */
  unified: boolean;
  /** Its memory is divided among MIG instances, which may be listed under uuids of their own. */
  divided: boolean;
}

const MEBIBYTE = 1024 * 1024;

/** Reads `--query-gpu` of DEVICE_FIELDS, without header and units. Strict: a line that does not fit is a fault. */
export function parseDevices(csv: string): Result<NvidiaDevice[], string> {
  return eachLine(csv, ([gpu = '', uuid = '', mig, total, used, ...name]) => {
    const totalBytes = memoryOf(total);
    const usedBytes = memoryOf(used);
    if (!/^\d+$/.test(gpu) || !isUuid(uuid) || name.length === 0) return undefined;
    if (totalBytes === 'unreadable' || usedBytes === 'unreadable') return undefined;
    const divided = mig === 'Enabled';
    return {
      gpu,
      uuid,
      name: name.join(', '),
      ...(totalBytes !== undefined && { totalBytes }),
      ...(usedBytes !== undefined && { usedBytes }),
      // A lost card, or a MIG parent, may tell no memory either, and does not share the machine's.
      unified: !divided && hasNone(total) && hasNone(used),
      divided,
    };
  });
}

/** Reads `--query-compute-apps` of PROCESS_FIELDS. A process may be listed several times, once an instance. */
export function parseProcesses(csv: string): Result<Omit<Holding, 'pool'>[], string> {
  return eachLine(csv, ([uuid = '', pid = '', used, ...more]) => {
    const bytes = memoryOf(used);
    if (!isUuid(uuid) || !/^\d+$/.test(pid) || bytes === 'unreadable' || more.length > 0) return undefined;
    return { uuid, pid: Number(pid), ...(bytes !== undefined && { bytes }) };
  });
}

function eachLine<Value>(
  csv: string,
  parse: (cells: string[]) => Value | undefined,
): Result<Value[], string> {
  const values: Value[] = [];
  for (const line of csv.split('\n')) {
    if (line.trim() === '') continue;
    const value = parse(line.split(',').map((cell) => cell.trim()));
    if (value === undefined)
      return failed(`it printed what is no line of its CSV: ${line.trim().slice(0, 200)}`);
    values.push(value);
  }
  return ok(values);
}

/** Bytes; undefined for the words in brackets that nvidia-smi prints instead of a value. */
function memoryOf(cell: string | undefined): number | undefined | 'unreadable' {
  if (cell === undefined) return 'unreadable';
  if (/^\[[^\]]+\]$/.test(cell) || cell === 'N/A') return undefined;
  return /^\d{1,9}$/.test(cell) ? Number(cell) * MEBIBYTE : 'unreadable';
}

function hasNone(cell: string | undefined): boolean {
  return cell === '[N/A]' || cell === 'N/A' || cell === '[Not Supported]';
}

function isUuid(cell: string): boolean {
  return /^[A-Z]+-[0-9a-fA-F/-]+$/.test(cell);
}
