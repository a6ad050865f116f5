import { close, open, read } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { mapLimited } from '../lib/concurrency.ts';
import { codeOf, isDescriptorShortage } from '../lib/error-code.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import type { ParentProcess, ProcessId } from './reading.ts';

/** Files read at the same time: each occupies one of Node's few threads. */
export const CONCURRENCY = 8;

/** Fields of /proc/PID/stat. */
export interface Stat {
  state: string;
  parentPid: number;
  group: number;
  session: number;
  startTicks: number;
  cpuSeconds: number;
}

/** USER_HZ, which is 100 on every Linux. */
const TICKS_PER_SECOND = 100;

/**
 * Parses /proc/PID/stat. Fields are counted from the last parenthesis, because the command in parentheses may contain
 * spaces, parentheses and line breaks.
 */
export function parseStat(text: string): Stat | undefined {
  const [state = '', ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const numbers = [0, 1, 2, 10, 11, 18].map((index) => Number(fields[index] ?? Number.NaN));
  const [parentPid = 0, group = 0, session = 0, userTicks = 0, systemTicks = 0, startTicks = 0] = numbers;
  if (!text.includes(')') || !/^[A-Za-z]$/.test(state) || !numbers.every(Number.isSafeInteger))
    return undefined;
  return {
    state,
    parentPid,
    group,
    session,
    startTicks,
    cpuSeconds: (userTicks + systemTicks) / TICKS_PER_SECOND,
  };
}

/** Bytes of a line such as `VmRSS: 1024 kB` in /proc/PID/status or /proc/meminfo; undefined if it has none. */
export function parseKibibytes(text: string, key: string): number | undefined {
  const kibibytes = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Model and port from /proc/PID/cmdline; undefined unless it has both. The last of each wins. */
export function parseModelArguments(cmdline: string): { alias: string; port: number } | undefined {
  const args = cmdline.split('\0');
  const alias = args[args.lastIndexOf('--alias') + 1];
  const port = Number(args[args.lastIndexOf('--port') + 1]);
  if (!args.includes('--alias') || !args.includes('--port') || !alias) return undefined;
  return Number.isInteger(port) && port > 0 && port < 65_536 ? { alias, port } : undefined;
}

/**
 * Inode and port of each listening socket, from /proc/net/tcp or tcp6. A busy machine has thousands of connections, so
 * only lines in the state of listening (0A) are taken apart.
 */
export function parseListeners(table: string): [inode: string, port: number][] {
  return [...table.matchAll(LISTENING)].map(([, port = '', inode = '']) => [
    inode,
    Number.parseInt(port, 16),
  ]);
}

const LISTENING = /^ *\d+: [\dA-F]+:([\dA-F]+) \S+ 0A (?:\S+ +){5}(\d+)/gm;

/** Inode and path of each listening Unix socket, from /proc/net/unix. */
export function parseUnixListeners(table: string): [inode: string, path: string][] {
  return table.split('\n').flatMap((line) => {
    const [, flags = '', inode, path] = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+) (\/.*)$/.exec(line) ?? [];
    return inode && path && Number.parseInt(flags, 16) & ACCEPTS ? [[inode, path]] : [];
  });
}

/** The kernel's flag of a Unix socket that listens. */
const ACCEPTS = 0x10000;

/**
 * The result of an operation of the file system, or the code of its error. Rejects if the exporter has no free file
 * descriptor: the file must not count as missing then. All functions below do so.
 */
async function coded<Value>(operation: Promise<Value>): Promise<Result<Value, string>> {
  try {
    return ok(await operation);
  } catch (error) {
    if (isDescriptorShortage(codeOf(error))) throw error;
    return failed(codeOf(error));
  }
}

/** The text of a small file, or the code of the error. */
export const readText = (path: string) => coded(readFile(path, 'utf8'));

/** The content of a small binary file; undefined if it cannot be read. */
export async function readBinary(path: string): Promise<Buffer | undefined> {
  const content = await coded(readFile(path));
  return content.ok ? content.value : undefined;
}

/** The names in a folder, or the code of the error. */
export const listFolder = (path: string) => coded(readdir(path));

/**
 * The beginning of a file in /proc; undefined if it cannot be read. There may be thousands of files: fs/promises would
 * take twice the CPU time, and reading whole files three times.
 */
export function readHead(path: string, bytes: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    open(path, (openError, file) => {
      if (openError && isDescriptorShortage(codeOf(openError))) return reject(openError);
      if (openError) return resolve(undefined);
      const buffer = Buffer.allocUnsafe(bytes);
      read(file, buffer, 0, bytes, 0, (readError, bytesRead) => {
        close(file, () => resolve(readError ? undefined : buffer.toString('utf8', 0, bytesRead)));
      });
    });
  });
}

/** More than most files in /proc have. */
const HEAD_BYTES = 4096;

/** The text of a file in /proc that is almost always short; undefined if it cannot be read. */
export async function readWhole(path: string): Promise<string | undefined> {
  const head = await readHead(path, HEAD_BYTES);
  if (head === undefined || Buffer.byteLength(head) < HEAD_BYTES) return head;
  const text = await readText(path);
  return text.ok ? text.value : undefined;
}

/** The target of a link; undefined if it cannot be read. */
export async function linkTarget(path: string): Promise<string | undefined> {
  const target = await coded(readlink(path));
  return target.ok ? target.value : undefined;
}

/** The targets of all links in a folder, or the code of the error. */
export async function linkTargets(folder: string): Promise<Result<string[], string>> {
  const names = await listFolder(folder);
  if (!names.ok) return names;
  const targets = await mapLimited(CONCURRENCY, names.value, (name) => linkTarget(join(folder, name)));
  return ok(targets.flatMap((target) => target ?? []));
}

/**
 * Looks up the ports and Unix sockets on which processes listen: one of their open files is a listening socket of the
 * kernel's tables, which cover the exporter's own network namespace.
 */
export async function withListening<Process extends ProcessId>(
  processes: readonly Process[],
  procfs: string,
): Promise<(Process & Pick<ParentProcess, 'listens'>)[]> {
  if (processes.length === 0) return [];
  const tables = await Promise.all(
    (['tcp', 'tcp6', 'unix'] as const).map(async (name) => {
      const text = await readText(join(procfs, 'net', name));
      if (!text.ok) return [];
      return name === 'unix' ? parseUnixListeners(text.value) : parseListeners(text.value);
    }),
  );
  const listeners = new Map<string, number | string>(tables.flat());
  return Promise.all(
    processes.map(async (process) => {
      const targets = await linkTargets(join(procfs, String(process.pid), 'fd'));
      if (!targets.ok) return /^E(ACCES|PERM)$/.test(targets.fault) ? process : { ...process, listens: [] };
      const inodes = targets.value.map((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? '');
      const listens = new Set(inodes.flatMap((inode) => listeners.get(inode) ?? []));
      return { ...process, listens: [...listens].sort() };
    }),
  );
}

/** The error means that the process, device or folder does not exist, which is not a fault. */
export function isAbsence(code: string): boolean {
  return code === 'ENOENT' || code === 'ESRCH' || code === 'ENOTDIR';
}
