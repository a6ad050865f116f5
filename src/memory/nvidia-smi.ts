import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { failed, ok } from '../lib/result.ts';
import {
  DEVICE_QUERY,
  FORMAT,
  type NvidiaDevice,
  type NvidiaProcess,
  PROCESS_QUERY,
  parseAddress,
  parseDevices,
  parseGraphics,
  parseProcesses,
} from './nvidia-csv.ts';
import { listFolder } from './procfs.ts';
import type { Allocation, LostCard, MeasuredPool } from './reading.ts';
import { mayBeProgram, type ProgramEnd, runProgram } from './run-program.ts';
import type { Source, SourceAnswer } from './source.ts';

export interface NvidiaFacts {
  pools: readonly MeasuredPool[];
  allocations: readonly Allocation[];
  /** Cards that the driver knows and cannot reach. */
  lost: readonly LostCard[];
}

/** The program of a configuration without `memory.nvidia_smi`: it may be missing. */
const USUAL_PROGRAM = 'nvidia-smi';

/** Where Windows provides it in WSL; often not in the PATH of a service. */
const WSL_PROGRAM = '/usr/lib/wsl/lib/nvidia-smi';

const NOTHING: NvidiaFacts = { pools: [], allocations: [], lost: [] };

interface Options {
  program: string;
  procfs: string;
  /** Tried after the usual program. */
  wslProgram?: string;
}

/** What one run of all queries printed. */
type SmiAnswers = [devices: ProgramEnd, processes: ProgramEnd, graphics: ProgramEnd];

/** NVIDIA cards and the allocations on them. Nothing if there is no such program or no card. */
export function createNvidiaSmi(
  { program, procfs, wslProgram = WSL_PROGRAM }: Options,
  clock: Clock,
): Source<NvidiaFacts> {
  const programs = program === USUAL_PROGRAM ? [program, wslProgram] : [program];
  let runningSince: number | undefined;

  return {
    name: 'nvidia-smi',
    nothing: NOTHING,
    timeoutHint:
      '; nvidia-smi was killed. If it is just slow, enable persistence mode (nvidia-smi -pm 1) or raise memory.timeout; ' +
      'if it never ends, the driver hangs: check `dmesg | grep -i nvrm`',
    async read(_, signal) {
      // Not even SIGKILL has ended the previous one.
      if (runningSince !== undefined) {
        const seconds = Math.round((clock.now() - runningSince) / 1000);
        return failed(
          `hangs in the driver for ${seconds} s and cannot be killed; not started again until it ends`,
        );
      }
      runningSince = clock.now();
      const result = await readCards(signal).finally(() => {
        runningSince = undefined;
      });
      if (result) return result;
      if (program === USUAL_PROGRAM) return ok(NOTHING);
      return failed(`cannot start ${program}: no such program. Correct memory.nvidia_smi`);
    },
  };

  /** Undefined if there is no such program. */
  async function readCards(signal: AbortSignal): Promise<SourceAnswer<NvidiaFacts> | undefined> {
    for (const command of programs) {
      if (!(await mayBeProgram(command))) continue;
      const answers = await ask(command, [], signal);
      // One card that the driver cannot reach ends the whole query: ask for the others.
      const lost = lostCards(answers[0]);
      const others = lost.length === 0 ? [] : await otherCards(lost);
      const again = others.length > 0 && (await ask(command, ['-i', others.join(',')], signal));
      return factsOf(again || answers, lost);
    }
    return undefined;
  }

  async function otherCards(lost: readonly LostCard[]): Promise<string[]> {
    const folders = await listFolder(join(procfs, 'driver/nvidia/gpus'));
    const addresses = folders.ok ? folders.value : [];
    return addresses.filter((each) => !lost.some(({ pciAddress }) => pciAddress === each));
  }
}

function ask(command: string, which: readonly string[], signal: AbortSignal): Promise<SmiAnswers> {
  const run = (...args: string[]) => runProgram(command, [...which, ...args], signal);
  return Promise.all([run(DEVICE_QUERY, FORMAT), run(PROCESS_QUERY, FORMAT), run('-q', '-d', 'PIDS')]);
}

/** Cards that the driver names in place of an answer, one a line. */
function lostCards({ stdout, stderr, error }: ProgramEnd): LostCard[] {
  if (!error) return [];
  return `${stdout}\n${stderr}`.split('\n').flatMap((line) => {
    const [, address, reason = ''] = /device handle for gpu ?([0-9a-f:.]+): (.+)/i.exec(line) ?? [];
    const pciAddress = parseAddress(address);
    return pciAddress ? [{ pciAddress, reason: reason.split(/\s+/).join(' ') }] : [];
  });
}

/** What was understood counts, even if the program failed or printed other lines. */
function factsOf(
  [devices, processes, graphics]: SmiAnswers,
  unreachable: readonly LostCard[],
): SourceAnswer<NvidiaFacts> {
  const hasNone = /^No devices were found/m.test(`${devices.stdout}\n${devices.stderr}`);
  const cards = parseDevices(hasNone ? '' : devices.stdout);
  if (cards.values.length === 0 && unreachable.length === 0) {
    if (hasNone) return ok(NOTHING);
    if (devices.error) return failed(faultOf(devices, cards.malformed));
    if (cards.malformed.length > 0) return failed(`unexpected output: ${cards.malformed[0]}`);
  }
  const apps = parseProcesses(processes.stdout);
  const hasProcesses = !processes.error || apps.values.length > 0;
  const broken = cards.values.flatMap(({ error, ...card }) => (error ? [{ ...card, reason: error }] : []));
  const malformed = cards.malformed.flatMap((line): LostCard[] => {
    const [, gpu, uuid] = /^(\d+), (GPU-[0-9a-f-]+),/i.exec(line) ?? [];
    return uuid === undefined ? [] : [{ gpu, uuid, reason: `unexpected output: ${line}` }];
  });
  const memory = nvidiaMemory(
    cards.values.filter(({ error }) => error === undefined),
    hasProcesses ? [...apps.values, ...parseGraphics(graphics.stdout)] : undefined,
    apps.malformed,
  );
  const warnings = [...warningsOf(devices, cards.malformed), ...warningsOf(processes, apps.malformed)];
  return {
    ...ok({ ...memory, lost: [...unreachable, ...broken, ...malformed] }),
    notes: {
      fault: hasProcesses ? undefined : `processes are unknown: ${faultOf(processes, apps.malformed)}`,
      warnings: [...new Set(warnings)],
      malformed: cards.malformed.length + apps.malformed.length,
    },
  };
}

/** Why good values came with an exit code or with other lines. */
function warningsOf(end: ProgramEnd, malformed: readonly string[]): string[] {
  if (end.error) return [faultOf(end, malformed)];
  return malformed.length > 0 ? [`unexpected output: ${malformed[0]}`] : [];
}

/**
 * Pools and allocations. A card that shares system memory has the pool `host`. `hasAllocations` is false for a card on
 * which a process is unknown; the processes are undefined if they could not be read.
 */
export function nvidiaMemory(
  devices: readonly NvidiaDevice[],
  processes: readonly NvidiaProcess[] | undefined,
  malformed: readonly string[],
): Pick<NvidiaFacts, 'pools' | 'allocations'> {
  const known = (processes ?? []).map((process) => ({ ...process, device: deviceOf(process, devices) }));
  // The uuid of a MIG instance does not tell on which of the divided cards it is.
  const hasInstances = known.some(({ device }) => device === undefined);
  const pools = devices.map(({ unified, divided, printedUuid, error: _, ...device }): MeasuredPool => {
    const isUnknown = known.some(
      ({ uuid, pid, device: on }) =>
        (on === undefined && (uuid === printedUuid || !/^[A-Z]+-/.test(uuid))) ||
        (on?.uuid === device.uuid && pid === undefined),
    );
    const isMalformed = malformed.some((line) => line.includes(printedUuid));
    const hasAllocations =
      processes !== undefined && !isUnknown && !isMalformed && !(divided && hasInstances);
    return { ...device, pool: unified ? 'host' : 'vram', integrated: unified, hasAllocations };
  });
  const allocations = known.flatMap(({ pid, uuid, device, bytes }): Allocation[] => {
    if (pid === undefined) return [];
    return [{ pid, uuid: device?.uuid ?? uuid, pool: device?.unified ? 'host' : 'vram', bytes }];
  });
  return { pools, allocations };
}

/** By uuid; a card without an own one by its address. */
function deviceOf(
  { uuid, pciAddress }: NvidiaProcess,
  devices: readonly NvidiaDevice[],
): NvidiaDevice | undefined {
  return (
    devices.find((device) => device.uuid === uuid) ??
    devices.find((device) => pciAddress !== undefined && device.pciAddress === pciAddress)
  );
}

/** `words` are the lines that explain the end; otherwise all output does. */
function faultOf({ stdout, stderr, error }: ProgramEnd, words: readonly string[]): string {
  const { code, signal } = error ?? {};
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'killed because it printed more than 1 MiB';
  if (signal) return `killed by ${signal}`;
  if (typeof code !== 'number') return `cannot start: ${code}`;
  const message = `${words.join(' ') || stdout} ${stderr}`.trim().split(/\s+/).join(' ').slice(0, 300);
  return `exited with ${code}${message === '' ? '' : `: ${message}`}`;
}
