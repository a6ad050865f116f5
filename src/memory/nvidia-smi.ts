import type { Clock } from '../lib/clock.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import {
  DEVICE_FIELDS,
  type NvidiaDevice,
  PROCESS_FIELDS,
  parseDevices,
  parseProcesses,
} from './nvidia-csv.ts';
import type { Holding } from './reading.ts';
import { type ProgramEnd, runProgram } from './run-program.ts';
import type { Source } from './source.ts';

export interface NvidiaFacts {
  devices: readonly NvidiaDevice[];
  holdings: readonly Omit<Holding, 'pool'>[];
}

/** Whoever has no such program will not have it the next moment: looked for again after this. */
const ABSENT_MS = 60_000;

const NOTHING: NvidiaFacts = { devices: [], holdings: [] };

/** NVIDIA's cards and what processes hold on them. Without the program, or without a card, there is nothing. */
export function createNvidiaSmi(command: string, clock: Clock): Source<NvidiaFacts> {
  let absentAt: number | undefined;
  /** Since when a program of ours has hung that not even SIGKILL ends. */
  let hangingSince: number | undefined;

  return {
    name: 'nvidia-smi',
    nothing: NOTHING,
    whenLate: ': it is killed; the driver may be stuck, `dmesg | grep -i nvrm` may tell why',
    async read(_, signal) {
      if (absentAt !== undefined && clock.now() - absentAt < ABSENT_MS) return ok(NOTHING);
      if (hangingSince !== undefined) {
        const seconds = Math.round((clock.now() - hangingSince) / 1000);
        return failed(
          `it hangs in the driver for ${seconds} s and cannot be killed: no other is started until it ends`,
        );
      }
      hangingSince = clock.now();
      const [gpus, processes] = await Promise.all([
        query('gpu', DEVICE_FIELDS, signal),
        query('compute-apps', PROCESS_FIELDS, signal),
      ]);
      hangingSince = undefined;
      absentAt = gpus.kind === 'not_started' && gpus.code === 'ENOENT' ? clock.now() : undefined;
      return absentAt === undefined ? understand(gpus, processes) : ok(NOTHING);
    },
  };

  function query(what: string, fields: readonly string[], signal: AbortSignal): Promise<ProgramEnd> {
    const args = [`--query-${what}=${fields.join(',')}`, '--format=csv,noheader,nounits'];
    return runProgram(command, args, signal);
  }
}

function understand(gpus: ProgramEnd, processes: ProgramEnd): Result<NvidiaFacts, string> {
  const devicesText = textOf(gpus);
  if (!devicesText.ok) return devicesText;
  if (devicesText.value.startsWith(NO_CARDS)) return ok(NOTHING);
  const devices = parseDevices(devicesText.value);
  if (!devices.ok) return devices;
  const processesText = textOf(processes);
  if (!processesText.ok) return processesText;
  const holdings = parseProcesses(processesText.value);
  return holdings.ok ? ok({ devices: devices.value, holdings: holdings.value }) : holdings;
}

const NO_CARDS = 'No devices were found';

/** Errors of the driver come on standard output, some with exit code 0. */
function textOf(end: ProgramEnd): Result<string, string> {
  switch (end.kind) {
    case 'exited': {
      const said = end.output.trim();
      if (end.code === 0 || said.startsWith(NO_CARDS)) return ok(said);
      return failed(
        `it ended with ${end.code}${said === '' ? '' : `: ${said.split(/\s+/).join(' ').slice(0, 300)}`}`,
      );
    }
    case 'killed':
      return failed(`it was ended by ${end.signal}`);
    case 'not_started':
      return failed(`it cannot be started (${end.code})`);
    case 'too_much':
      return failed('it printed without end and was killed');
  }
}
