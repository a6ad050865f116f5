import type { Clock } from '../lib/clock.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import {
  DEVICE_QUERY,
  FORMAT,
  type NvidiaDevice,
  PROCESS_QUERY,
  parseDevices,
  parseProcesses,
} from './nvidia-csv.ts';
import type { Allocation, MeasuredPool } from './reading.ts';
import { type ProgramEnd, runProgram } from './run-program.ts';
import type { Source } from './source.ts';

export interface NvidiaFacts {
  devices: readonly NvidiaDevice[];
  processes: readonly Omit<Allocation, 'pool'>[];
}

/** A missing program is looked for again after this time. */
const ABSENT_MS = 60_000;

const NOTHING: NvidiaFacts = { devices: [], processes: [] };

/** NVIDIA cards and the allocations on them. Nothing if there is no such program or no card. */
export function createNvidiaSmi(command: string, clock: Clock): Source<NvidiaFacts> {
  let absentAt: number | undefined;
  let runningSince: number | undefined;

  return {
    name: 'nvidia-smi',
    nothing: NOTHING,
    timeoutHint: '; nvidia-smi is killed. The driver may hang: check `dmesg | grep -i nvrm`',
    async read(_, signal) {
      if (absentAt !== undefined && clock.now() - absentAt < ABSENT_MS) return ok(NOTHING);
      // Not even SIGKILL has ended the previous one.
      if (runningSince !== undefined) {
        const seconds = Math.round((clock.now() - runningSince) / 1000);
        return failed(
          `hangs in the driver for ${seconds} s and cannot be killed; not started again until it ends`,
        );
      }
      runningSince = clock.now();
      const [devices, processes] = await Promise.all([
        runProgram(command, [DEVICE_QUERY, FORMAT], signal),
        runProgram(command, [PROCESS_QUERY, FORMAT], signal),
      ]);
      runningSince = undefined;
      absentAt = devices.error?.code === 'ENOENT' ? clock.now() : undefined;
      return absentAt === undefined ? parse(devices, processes) : ok(NOTHING);
    },
  };
}

/** Pools and allocations. A card that shares system memory has the pool `host`. */
export function nvidiaMemory({ devices, processes }: NvidiaFacts) {
  const uuids = new Set(devices.map(({ uuid }) => uuid));
  // The uuid of a MIG instance does not tell on which of the divided cards it is.
  const hasInstances = processes.some(({ uuid }) => !uuids.has(uuid));
  const pools = devices.map(
    ({ unified, divided, ...device }): MeasuredPool => ({
      ...device,
      pool: unified ? 'host' : 'vram',
      hasAllocations: !(divided && hasInstances),
    }),
  );
  const unified = new Set(devices.filter((device) => device.unified).map(({ uuid }) => uuid));
  const allocations = processes.map((process): Allocation => {
    return { ...process, pool: unified.has(process.uuid) ? 'host' : 'vram' };
  });
  return { pools, allocations };
}

/** The driver's errors are on standard output, some of them with exit code 0. */
function parse(devicesEnd: ProgramEnd, processesEnd: ProgramEnd): Result<NvidiaFacts, string> {
  if (devicesEnd.output.startsWith('No devices were found')) return ok(NOTHING);
  const failure = [devicesEnd, processesEnd].find(({ error }) => error);
  if (failure) return failed(faultOf(failure));
  const devices = parseDevices(devicesEnd.output);
  if (!devices.ok) return devices;
  const processes = parseProcesses(processesEnd.output);
  return processes.ok ? ok({ devices: devices.value, processes: processes.value }) : processes;
}

function faultOf({ output, error }: ProgramEnd): string {
  const { code, signal } = error ?? {};
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'killed because it printed more than 1 MiB';
  if (signal) return `killed by ${signal}`;
  if (typeof code !== 'number') return `cannot start: ${code}`;
  const message = output.split(/\s+/).join(' ').slice(0, 300);
  return `exited with ${code}${message === '' ? '' : `: ${message}`}`;
}
