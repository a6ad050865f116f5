import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { MemoryReading, ModelMemory } from '../src/memory/reading.ts';

/** Files are written here and renamed when they are complete. */
const UNFINISHED = '.unfinished';

/** Marks a folder that this program may clear. */
const MARK = 'simulated-machine';

const CARD = {
  pciAddress: '0000:03:00.0',
  name: 'Simulated Radeon',
  totalKiB: 65_536_000,
  freeKiB: 40_000_000,
};

const SERVER_PID = 100;

/** Inode of the server's listening socket. */
const SOCKET = 4711;

/** A simulated server as a process, with a process for each loaded model. */
interface MachineServer {
  readonly program: string;
  /** The engine of a model is another one for each process of it. */
  model(id: string): { readonly engine: object };
  /** Of a model's process. */
  commandLine(id: string): readonly string[];
}

interface Process {
  pid: number;
  /** CPU time of the model's earlier processes. */
  cpuSecondsBefore: number;
}

/**
 * Writes the /proc and /sys of a machine with an AMD card, the server's process (listening on `port`) and a process
 * per model to FOLDER/proc and FOLDER/sys, for `--path.procfs` and `--path.sysfs`. Returns the function that writes
 * a reading. Throws when the folder holds other files.
 */
export function createMachineFiles(
  folder: string,
  server: MachineServer,
  port: number,
): (reading: MemoryReading) => void {
  clear(folder);
  const processes = new Map<object, Process>();
  let lastPid = SERVER_PID;

  write('proc/meminfo', `MemTotal: ${CARD.totalKiB} kB\nMemAvailable: ${CARD.freeKiB} kB\n`);
  write('proc/net/tcp', `0: 0:${port.toString(16).toUpperCase()} 0:0 0A 0:0 0:0 0 0 0 ${SOCKET}\n`);
  begin(SERVER_PID, { stat: statLine(SERVER_PID, 1, 0), cmdline: `${server.program}\0` });
  mkdirSync(join(folder, `proc/${SERVER_PID}/fd`));
  symlinkSync(`socket:[${SOCKET}]`, join(folder, `proc/${SERVER_PID}/fd/3`));
  const device = 'sys/class/drm/card0/device';
  write(`${device}/vendor`, '0x1002\n');
  write(`${device}/uevent`, `DRIVER=amdgpu\nPCI_SLOT_NAME=${CARD.pciAddress}\n`);
  write(`${device}/product_name`, `${CARD.name}\n`);

  return ({ models, gpus }) => {
    const running = new Map(models.map((each) => [server.model(each.model).engine, each]));
    for (const [engine, { pid }] of processes) {
      if (running.has(engine)) continue;
      rename(`proc/${pid}`, `${UNFINISHED}/${pid}`);
      rmSync(join(folder, UNFINISHED, String(pid)), { recursive: true });
      processes.delete(engine);
    }
    for (const [engine, model] of running) show(engine, model);
    for (const { uuid, totalBytes = 0, usedBytes = 0 } of gpus) {
      write(`${device}/unique_id`, `${uuid}\n`);
      write(`${device}/mem_info_vram_total`, `${totalBytes}\n`);
      write(`${device}/mem_info_vram_used`, `${usedBytes}\n`);
    }
  };

  function show(engine: object, { model, cpuSeconds, residentBytes = 0, gpus }: ModelMemory): void {
    const before = processes.get(engine);
    const { pid, cpuSecondsBefore } = before ?? { pid: ++lastPid, cpuSecondsBefore: cpuSeconds };
    const bytes = gpus.reduce((sum, gpu) => sum + gpu.bytes, 0);
    const files = {
      stat: statLine(pid, SERVER_PID, cpuSeconds - cpuSecondsBefore),
      status: `VmRSS:\t${kibibytes(residentBytes)} kB\n`,
      'fdinfo/4': `drm-driver:\tamdgpu\ndrm-pdev:\t${CARD.pciAddress}\ndrm-client-id:\t${pid}\ndrm-memory-vram:\t${kibibytes(bytes)} KiB\n`,
    };
    if (before) {
      for (const [name, text] of Object.entries(files)) write(`proc/${pid}/${name}`, text);
      return;
    }
    processes.set(engine, { pid, cpuSecondsBefore });
    begin(pid, { ...files, cmdline: [...server.commandLine(model), ''].join('\0') });
  }

  /** A process appears with all its files. */
  function begin(pid: number, files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files))
      place(join(folder, UNFINISHED, String(pid), name), text);
    rename(`${UNFINISHED}/${pid}`, `proc/${pid}`);
  }

  /** Readers see the old text or the new one. */
  function write(path: string, text: string): void {
    place(join(folder, UNFINISHED, 'text'), text);
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    rename(`${UNFINISHED}/text`, path);
  }

  function rename(from: string, to: string): void {
    renameSync(join(folder, from), join(folder, to));
  }
}

/** Removes what an earlier run left. */
function clear(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  if (names.length > 0 && !names.includes(MARK)) {
    throw new Error(`${folder} holds other files: give it an empty folder`);
  }
  for (const name of ['proc', 'sys', UNFINISHED])
    rmSync(join(folder, name), { recursive: true, force: true });
  for (const name of ['proc', 'sys', UNFINISHED]) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, MARK), 'A /proc and a /sys that llama-router-exporter simulate writes.\n');
}

function place(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** A line of /proc/PID/stat with parent, CPU time and start time in ticks; the other fields are 0. */
function statLine(pid: number, parentPid: number, cpuSeconds: number): string {
  const fields = new Array<number>(50).fill(0);
  fields[0] = parentPid;
  fields[10] = Math.round(cpuSeconds * 100);
  fields[18] = pid;
  return `${pid} (llama-server) S ${fields.join(' ')}\n`;
}

function kibibytes(bytes: number): number {
  return Math.round(bytes / 1024);
}
