import { failed, ok, type Result } from '../lib/result.ts';
import type { Allocation, GpuPool } from './reading.ts';

/** The name is last, because it may contain a comma. */
export const DEVICE_QUERY = '--query-gpu=index,uuid,mig.mode.current,memory.total,memory.used,name';
export const PROCESS_QUERY = '--query-compute-apps=gpu_uuid,pid,used_gpu_memory';
export const FORMAT = '--format=csv,noheader,nounits';

export interface NvidiaDevice extends Omit<GpuPool, 'pool'> {
  /** It shares system memory and reports none of its own (GB10, Jetson). */
  unified: boolean;
  /** Its memory is divided into MIG instances, which may be listed with uuids of their own. */
  divided: boolean;
}

const MEBIBYTE = 1024 * 1024;

/** Parses the answer to DEVICE_QUERY. An unexpected line is a fault. */
export function parseDevices(csv: string): Result<NvidiaDevice[], string> {
  return parseLines(csv, ([gpu = '', uuid = '', mig, total, used, ...name]) => {
    const totalBytes = parseMemory(total);
    const usedBytes = parseMemory(used);
    if (!/^\d+$/.test(gpu) || !isUuid(uuid) || name.length === 0) return undefined;
    if (totalBytes === 'invalid' || usedBytes === 'invalid') return undefined;
    const divided = mig === 'Enabled';
    // A lost card and a divided one may report no memory either.
    const unified = !divided && isUnsupported(total) && isUnsupported(used);
    return { gpu, uuid, name: name.join(', '), totalBytes, usedBytes, unified, divided };
  });
}

/** Parses the answer to PROCESS_QUERY. A process is listed once per MIG instance. */
export function parseProcesses(csv: string): Result<Omit<Allocation, 'pool'>[], string> {
  return parseLines(csv, ([uuid = '', pid = '', used, ...more]) => {
    const bytes = parseMemory(used);
    if (!isUuid(uuid) || !/^\d+$/.test(pid) || bytes === 'invalid' || more.length > 0) return undefined;
    return { uuid, pid: Number(pid), bytes };
  });
}

function parseLines<Value>(
  csv: string,
  parse: (cells: string[]) => Value | undefined,
): Result<Value[], string> {
  const values: Value[] = [];
  for (const line of csv.split('\n')) {
    if (line.trim() === '') continue;
    const value = parse(line.split(',').map((cell) => cell.trim()));
    if (value === undefined) return failed(`unexpected output: ${line.trim().slice(0, 200)}`);
    values.push(value);
  }
  return ok(values);
}

/** Bytes; undefined for the words in brackets that nvidia-smi prints instead of a value. */
function parseMemory(cell: string | undefined): number | undefined | 'invalid' {
  if (cell === undefined) return 'invalid';
  if (/^\[[^\]]+\]$/.test(cell) || cell === 'N/A') return undefined;
  return /^\d{1,9}$/.test(cell) ? Number(cell) * MEBIBYTE : 'invalid';
}

function isUnsupported(cell: string | undefined): boolean {
  return cell === '[N/A]' || cell === 'N/A' || cell === '[Not Supported]';
}

function isUuid(cell: string): boolean {
  return /^[A-Z]+-[0-9a-fA-F/-]+$/.test(cell);
}
