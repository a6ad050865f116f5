import { formatBytes } from '../lib/bytes.ts';
import type { GpuMemory, MemoryReading, SourceReport } from '../memory/reading.ts';
import { type Finding, fine } from './finding.ts';

/** Whether it can be told whose memory is whose on this machine. */
export function diagnoseMemory(reading: MemoryReading | undefined): Finding[] {
  if (!reading)
    return [failure({ collector: 'memory', seconds: 0, fault: 'it could not be measured in time' })];
  const { gpus, reports, hidden } = reading;
  const failed = reports.filter(({ fault }) => fault !== undefined);
  const troubles = [...failed.map(failure), ...(hidden.length > 0 ? [hiding(hidden)] : [])];
  if (gpus.length > 0) return [fine('memory', gpus.map(describe).join('; ')), ...troubles];
  return failed.length > 0 ? troubles : [NO_GPU, ...troubles];
}

const NO_GPU: Finding = {
  check: 'memory',
  mark: 'note',
  cause: 'no_gpu',
  says: 'no GPU is found: of models on this machine, resident memory and CPU time are told',
  remedy: [
    'If there is one: NVIDIA needs nvidia-smi (memory.nvidia_smi), AMD and Intel the /sys of the machine (path.sysfs).',
  ],
};

function describe({ name, pool, totalBytes, usedBytes }: GpuMemory): string {
  const used = usedBytes === undefined ? '' : `${formatBytes(usedBytes)} used of `;
  const total = totalBytes === undefined ? 'size not told' : formatBytes(totalBytes);
  return `${name} (${pool}: ${used}${total})`;
}

function failure({ collector, fault = '' }: SourceReport): Finding {
  return {
    check: 'memory',
    mark: 'warn',
    cause: 'source_failed',
    says: `${collector}: ${fault}`,
    remedy: remedyOf(collector, fault),
  };
}

function remedyOf(collector: string, fault: string): string[] {
  if (/version mismatch/.test(fault)) {
    return ['The driver was updated and the kernel still runs the old one: restart the machine.'];
  }
  if (collector === 'nvidia-smi') {
    return [
      'Run nvidia-smi as the user that the service runs as: it says the same, or memory.nvidia_smi is wrong.',
    ];
  }
  if (/cannot be read/.test(fault)) return ['Until then, nothing is told that needs it.'];
  return ['The rest goes on without it. It may take longer on a busy machine: raise memory.timeout.'];
}

function hiding(routers: readonly string[]): Finding {
  return {
    check: 'memory',
    mark: 'warn',
    cause: 'processes_hidden',
    says: `models of ${routers.join(', ')} are loaded, and their processes are not to be seen here`,
    remedy: [
      "In a container: share the machine's process table (pid: host; in a pod, hostPID: true).",
      'If that router runs on another machine: local: no under it in the configuration file.',
    ],
  };
}
