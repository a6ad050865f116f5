import { close, open, read } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { codeOf } from '../lib/error-code.ts';
import { failed, ok, type Result } from '../lib/result.ts';

/** Of /proc/PID/stat: what tells a process from others, and what it has used so far. */
export interface Stat {
  state: string;
  parentPid: number;
  startTicks: number;
  cpuSeconds: number;
}

/** Linux counts the CPU time that it shows to programs in hundredths of a second, on every machine. */
const TICKS_PER_SECOND = 100;

/**
 * The fields of /proc/PID/stat; undefined when it is none. The command's name stands in parentheses and may hold
 * spaces, parentheses and line breaks itself: fields are counted from behind the last one.
 */
export function parseStat(text: string): Stat | undefined {
  const [state = '', ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const numbers = [0, 10, 11, 18].map((index) => Number(fields[index] ?? Number.NaN));
  const [parentPid = 0, userTicks = 0, systemTicks = 0, startTicks = 0] = numbers;
  if (!text.includes(')') || !/^[A-Za-z]$/.test(state) || !numbers.every(Number.isSafeInteger))
    return undefined;
  return { state, parentPid, startTicks, cpuSeconds: (userTicks + systemTicks) / TICKS_PER_SECOND };
}

/** Resident bytes of /proc/PID/status; undefined for what has no memory of its own, as kernel threads. */
export function parseResident(status: string): number | undefined {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** The model and the port of /proc/PID/cmdline; undefined when it does not name both. The last of each wins. */
export function parseModelArguments(cmdline: string): { alias: string; port: number } | undefined {
  const args = cmdline.split('\0');
  const alias = args[args.lastIndexOf('--alias') + 1];
  const port = Number(args[args.lastIndexOf('--port') + 1]);
  if (!args.includes('--alias') || !args.includes('--port') || !alias) return undefined;
  return Number.isInteger(port) && port > 0 && port < 65_536 ? { alias, port } : undefined;
}

/** Of /proc/net/tcp and tcp6: the port of each listening socket, by the socket's inode. */
export function parseListeners(table: string): Map<string, number> {
  const listeners = new Map<string, number>();
  for (const line of table.split('\n')) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    const port = Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16);
    if (state === LISTENING && inode && Number.isInteger(port)) listeners.set(inode, port);
  }
  return listeners;
}

const LISTENING = '0A';

/** Total and available bytes of /proc/meminfo; undefined when it does not tell both. */
export function parseMeminfo(text: string): { totalBytes: number; availableBytes: number } | undefined {
  const bytes = (key: string) => {
    const kibibytes = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  };
  const totalBytes = bytes('MemTotal');
  const availableBytes = bytes('MemAvailable');
  return totalBytes === undefined || availableBytes === undefined
    ? undefined
    : { totalBytes, availableBytes };
}

/** A whole small file; the code of the error when it cannot be read. */
export async function readText(path: string): Promise<Result<string, string>> {
  try {
    return ok(await readFile(path, 'utf8'));
  } catch (error) {
    return failed(codeOf(error));
  }
}

/**
 * The beginning of a file in /proc, which is made at the moment of reading. Undefined when it is not there any more.
 * There may be thousands of them: fs/promises would take twice the CPU time, reading whole files thrice.
 */
export function readHead(path: string, bytes: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    open(path, (absent, file) => {
      if (absent) return resolve(undefined);
      const buffer = Buffer.allocUnsafe(bytes);
      read(file, buffer, 0, bytes, 0, (gone, bytesRead) => {
        close(file, () => resolve(gone ? undefined : buffer.toString('utf8', 0, bytesRead)));
      });
    });
  });
}

/** Where a link points to; undefined when that cannot be said. */
export async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch {
    return undefined;
  }
}

/** The process, the device or the folder is not there: nothing is wrong with it then. */
export function isAbsence(code: string): boolean {
  return code === 'ENOENT' || code === 'ESRCH' || code === 'ENOTDIR';
}
