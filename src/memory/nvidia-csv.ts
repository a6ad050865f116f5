import { withIdentities } from './cards.ts';
import type { Allocation, GpuPool } from './reading.ts';

/** The name is last but one, because it may contain a comma; old programs may not print the address behind it. */
export const DEVICE_QUERY =
  '--query-gpu=index,uuid,mig.mode.current,memory.total,memory.used,memory.free,name,pci.bus_id';
export const PROCESS_QUERY = '--query-compute-apps=gpu_uuid,pid,used_gpu_memory,gpu_bus_id';
export const FORMAT = '--format=csv,noheader,nounits';

export interface NvidiaDevice extends Omit<GpuPool, 'pool'> {
  /** The uuid as printed, which is `uuid` unless it does not identify the card. */
  printedUuid: string;
  /** It shares system memory and reports none of its own (GB10, Jetson). */
  unified: boolean;
  /** Its memory is divided into MIG instances, which may be listed with uuids of their own. */
  divided: boolean;
  /** The driver's error in place of values, such as `GPU is lost`. */
  error?: string | undefined;
}

/** A process on a card. `uuid` is that of a MIG instance if the card is divided. */
export interface NvidiaProcess extends Omit<Allocation, 'pool' | 'pid'> {
  /** Absent if the driver does not tell which processes use the card (Jetson). */
  pid?: number | undefined;
  pciAddress?: string | undefined;
}

/** What was understood of an output, and the lines that were not. */
export interface ParsedLines<Value> {
  values: readonly Value[];
  malformed: readonly string[];
}

const MEBIBYTE = 1024 * 1024;

/** Parses the answer to DEVICE_QUERY. Cards whose uuid is missing or not unique get their PCI address instead. */
export function parseDevices(csv: string): ParsedLines<NvidiaDevice> {
  const { values, malformed } = parseLines(csv, parseDevice);
  return { values: withIdentities(values), malformed };
}

/** Parses the answer to PROCESS_QUERY. A process is listed once per MIG instance. */
export function parseProcesses(csv: string): ParsedLines<NvidiaProcess> {
  return parseLines(csv, ([uuid = '', pid = '', used, address, ...more]) => {
    const bytes = parseMemory(used);
    const isKnown = /^\d+$/.test(pid);
    if (bytes === 'invalid' || more.length > 0 || !(isUuid(uuid) || isBracketed(uuid))) return undefined;
    if (!isKnown && !isBracketed(pid)) return undefined;
    return { uuid, pid: isKnown ? Number(pid) : undefined, bytes, pciAddress: parseAddress(address) };
  });
}

/**
 * Parses the processes of type G in the answer to `-q -d PIDS`: PROCESS_QUERY lists none of them. The router itself is
 * one if llama-server was built with Vulkan.
 */
export function parseGraphics(text: string): NvidiaProcess[] {
  const processes: NvidiaProcess[] = [];
  let pciAddress: string | undefined;
  let pid: number | undefined;
  let type: string | undefined;
  for (const line of text.split('\n')) {
    const card = /^GPU ([0-9A-Fa-f:.]+)\s*$/.exec(line)?.[1];
    if (card !== undefined) pciAddress = parseAddress(card);
    const [, key, value = ''] = /^\s+(Process ID|Type|Used GPU Memory)\s+: (.+?)\s*$/.exec(line) ?? [];
    if (key === 'Process ID') pid = /^\d+$/.test(value) ? Number(value) : undefined;
    if (key === 'Type') type = value;
    const bytes = parseMemory(value.replace(/ MiB$/, ''));
    if (key !== 'Used GPU Memory' || type !== 'G' || pid === undefined || bytes === 'invalid') continue;
    processes.push({ uuid: '', pid, bytes, pciAddress });
  }
  return processes;
}

/** The PCI address in the form of /sys, `0000:0b:00.0`; nvidia-smi prints `00000000:0B:00.0`. */
export function parseAddress(text: string | undefined): string | undefined {
  const [, domain, rest] = /^0*([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i.exec(text ?? '') ?? [];
  return domain === undefined ? undefined : `${domain}:${rest}`.toLowerCase();
}

function parseDevice([gpu = '', uuid = '', mig, total, used, ...others]: string[]): NvidiaDevice | undefined {
  const free = others.length > 1 ? parseMemory(others[0]) : 'invalid';
  const rest = free === 'invalid' ? others : others.slice(1);
  const last = rest.at(-1);
  const pciAddress = parseAddress(last);
  const name = rest.length > 1 && (pciAddress || isBracketed(last)) ? rest.slice(0, -1) : rest;
  const totalBytes = parseMemory(total);
  const usedBytes = parseMemory(used);
  if (!/^\d+$/.test(gpu) || !(isUuid(uuid) || isBracketed(uuid)) || name.length === 0) return undefined;
  if (totalBytes === 'invalid' || usedBytes === 'invalid') return undefined;
  const divided = mig === 'Enabled';
  const error = [uuid, total, used].find((cell) => ERRORS.test(cell ?? ''));
  // A lost card and a divided one may report no memory either.
  const unified = !divided && isUnsupported(total) && isUnsupported(used);
  return {
    gpu,
    uuid: isUuid(uuid) ? uuid : '',
    printedUuid: uuid,
    name: name.join(', '),
    pciAddress,
    totalBytes,
    usedBytes,
    freeBytes: free === 'invalid' ? undefined : free,
    unified,
    divided,
    error: error?.replace(/[[\]]/g, ''),
  };
}

/** What the driver prints in place of a value when a card does not work. */
const ERRORS = /^\[(GPU is lost|Unknown Error|GPU requires reset|.*reset required.*)\]$/i;

function parseLines<Value>(csv: string, parse: (cells: string[]) => Value | undefined): ParsedLines<Value> {
  const values: Value[] = [];
  const malformed: string[] = [];
  for (const line of csv.split('\n').map((each) => each.trim())) {
    if (line === '') continue;
    const value = parse(line.split(',').map((cell) => cell.trim()));
    if (value === undefined) malformed.push(line.slice(0, 200));
    else values.push(value);
  }
  return { values, malformed };
}

/** Bytes; undefined for the words in brackets that nvidia-smi prints instead of a value. */
function parseMemory(cell: string | undefined): number | undefined | 'invalid' {
  if (cell === undefined) return 'invalid';
  if (isBracketed(cell)) return undefined;
  return /^\d{1,9}$/.test(cell) ? Number(cell) * MEBIBYTE : 'invalid';
}

function isUnsupported(cell: string | undefined): boolean {
  return cell === '[N/A]' || cell === 'N/A' || cell === '[Not Supported]';
}

function isBracketed(cell: string | undefined): boolean {
  return cell !== undefined && (/^\[[^\]]+\]$/.test(cell) || cell === 'N/A');
}

/** `GPU-…` and `MIG-…`; without prefix on Jetson. */
function isUuid(cell: string): boolean {
  return /^([A-Z]+-)?[0-9a-fA-F][0-9a-fA-F/-]*$/.test(cell);
}
