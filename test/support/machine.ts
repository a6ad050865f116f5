import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from './scratch-folder.ts';

/** A process as /proc shows it. Only the pid is needed. */
export interface MadeProcess {
  pid: number;
  parent?: number;
  startTicks?: number;
  /** The command's name, in parentheses in the file; any text. */
  comm?: string;
  state?: string;
  args?: readonly string[];
  residentBytes?: number;
  cpuTicks?: number;
  /** Inodes of the sockets it holds. */
  sockets?: readonly number[];
  /** Devices it has opened. */
  devices?: readonly string[];
  /** Files of test/fixtures/memory/fdinfo, one for each open file. */
  fdinfo?: readonly string[];
}

/** A machine of files: its /proc, and its /sys from test/fixtures/memory/sysfs. */
export interface Machine {
  procfs: string;
  sysfs: string;
  run(process: MadeProcess): void;
  end(pid: number): void;
  /** Ports that are listened on, each by the socket with this inode. */
  listen(ports: Readonly<Record<number, number>>): void;
  /** The kernel's table of Unix sockets. */
  unixSockets(table: string): void;
}

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'memory');

export function aMachine({ sysfs = 'none', memKiB = [65_536_000, 32_768_000] } = {}): Machine {
  const procfs = scratchFolder();
  const [total, available] = memKiB;
  mkdirSync(join(procfs, 'net'));
  writeFileSync(
    join(procfs, 'meminfo'),
    `MemTotal:       ${total} kB\nMemFree: 1 kB\nMemAvailable:   ${available} kB\n`,
  );
  return {
    procfs,
    sysfs: join(FIXTURES, 'sysfs', sysfs),
    run(process) {
      const folder = join(procfs, String(process.pid));
      rmSync(folder, { recursive: true, force: true });
      for (const part of ['fd', 'fdinfo']) mkdirSync(join(folder, part), { recursive: true });
      writeFileSync(join(folder, 'stat'), statOf(process));
      writeFileSync(join(folder, 'cmdline'), (process.args ?? []).map((arg) => `${arg}\0`).join(''));
      writeFileSync(
        join(folder, 'status'),
        `Name:\tx\nVmRSS:\t${(process.residentBytes ?? 0) / 1024} kB\nThreads:\t1\n`,
      );
      process.sockets?.forEach((inode, index) => {
        symlinkSync(`socket:[${inode}]`, join(folder, 'fd', String(index + 3)));
      });
      writeFileSync(join(folder, 'comm'), `${process.comm ?? 'llama-server'}\n`);
      process.devices?.forEach((device, index) => {
        symlinkSync(device, join(folder, 'fd', String(index + 100)));
      });
      process.fdinfo?.forEach((file, index) => {
        cpSync(join(FIXTURES, 'fdinfo', file), join(folder, 'fdinfo', String(index + 3)));
      });
    },
    end: (pid) => rmSync(join(procfs, String(pid)), { recursive: true, force: true }),
    listen(ports) {
      const lines = Object.entries(ports).map(([port, inode], index) => tcpLine(index, Number(port), inode));
      writeFileSync(join(procfs, 'net', 'tcp'), `${HEAD}${lines.join('')}`);
    },
    unixSockets: (table) => writeFileSync(join(procfs, 'net', 'unix'), table),
  };
}

/** The arguments with which a router starts a model. */
export function modelArgs(alias: string, port: number): string[] {
  return [
    '/usr/bin/llama-server',
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--alias',
    alias,
    '-c',
    '256',
  ];
}

function statOf({
  pid,
  parent = 1,
  startTicks = 100,
  comm = 'llama-server',
  state = 'S',
  cpuTicks = 0,
}: MadeProcess) {
  const user = Math.floor(cpuTicks / 2);
  const fields = [
    state,
    parent,
    pid,
    pid,
    0,
    -1,
    4194304,
    1,
    0,
    0,
    0,
    user,
    cpuTicks - user,
    0,
    0,
    20,
    0,
    8,
    0,
    startTicks,
  ];
  return `${pid} (${comm}) ${fields.join(' ')} 1000000 200 18446744073709551615 1 1 0 0\n`;
}

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n';

function tcpLine(index: number, port: number, inode: number): string {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return `   ${index}: 0100007F:${hex} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0000000000000000 100 0 0 10 0\n`;
}
