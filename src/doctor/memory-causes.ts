import { formatBytes } from '../lib/bytes.ts';
import type { GpuMemory, MemoryReading, SourceReport } from '../memory/reading.ts';
import type { Finding, Mark } from './finding.ts';

/** Findings about the measurement of this machine's memory; undefined when it did not end in time. */
export function diagnoseMemory(reading: MemoryReading | undefined): Finding[] {
  if (!reading) return [sourceFailed({ collector: 'memory', seconds: 0, fault: 'not measured in time' })];
  const faults = reading.reports.filter(({ fault }) => fault !== undefined).map(sourceFailed);
  return [
    ...gpusFound(reading, faults),
    ...reading.reports.flatMap(warningsOf),
    ...(reading.foreignPids ? [FOREIGN_PIDS] : []),
    ...(reading.hidden.length > 0 ? [processesHidden(reading.hidden)] : []),
  ];
}

function gpusFound({ gpus }: MemoryReading, faults: readonly Finding[]): Finding[] {
  if (gpus.length > 0) return [finding('ok', 'fine', gpus.map(describeGpu).join('; ')), ...faults];
  if (faults.length > 0) return [...faults];
  const says = 'no GPU found: only resident memory and CPU time of local models are measured';
  return [
    finding('note', 'no_gpu', says, [
      'If there is one: NVIDIA needs nvidia-smi (memory.nvidia_smi), AMD and Intel the /sys of the machine (path.sysfs).',
    ]),
  ];
}

function warningsOf({ collector, warnings = [] }: SourceReport): Finding[] {
  return warnings.map((warning) =>
    finding('note', 'source_warns', `${collector}: ${warning}`, [
      'The values that came with it are used. Look up its words in the documentation of the driver.',
    ]),
  );
}

const SHARE_PROCESSES =
  "In a container, share the machine's process table (pid: host; in a pod, hostPID: true).";

const FOREIGN_PIDS = finding(
  'warn',
  'pids_foreign',
  'nvidia-smi does not list the processes that are visible here: memory per model and unattributed memory are unknown',
  [SHARE_PROCESSES, 'Under WSL the driver reports no memory of processes: nothing can be done.'],
);

function processesHidden(hidden: readonly string[]): Finding {
  const says = `models of ${hidden.join(', ')} are loaded, but their processes are not visible here`;
  return finding('warn', 'processes_hidden', says, [
    SHARE_PROCESSES,
    'If that router runs on another machine, set local: no under it in the configuration file.',
  ]);
}

function finding(mark: Mark, cause: string, says: string, remedy: readonly string[] = []): Finding {
  return { check: 'memory', mark, cause, says, remedy };
}

function sourceFailed({ collector, fault = '' }: SourceReport): Finding {
  const says = `${collector}: ${fault}`;
  const remedy = (FAULTS.find(({ when }) => when.test(says)) ?? OTHER_FAULT).remedy;
  return finding('warn', 'source_failed', says, remedy);
}

/** The first whose words the fault has. */
const FAULTS: readonly { when: RegExp; remedy: readonly string[] }[] = [
  { when: /version mismatch/, remedy: ['Restart the machine: the driver was updated while in use.'] },
  {
    when: / is lost: /,
    remedy: [
      'See the kernel log: dmesg | grep -iE "xid|nvrm|amdgpu|xe ". A reset of the card or a restart of the machine may bring it back.',
      'If it was removed on purpose, restart the exporter.',
    ],
  },
  {
    when: /^nvidia-smi: no response within/,
    remedy: [
      'See how long it takes: time nvidia-smi. Seconds are usual without persistence mode: nvidia-smi -pm 1, or nvidia-persistenced.',
      'Otherwise raise memory.timeout. If it never ends, restart the machine: the driver hangs.',
    ],
  },
  {
    when: /no such program/,
    remedy: ["Correct memory.nvidia_smi, or set it to '' if the machine has no NVIDIA GPU."],
  },
  {
    when: /^nvidia-smi: /,
    remedy: ['Run nvidia-smi as the user of the service. If it works there, correct memory.nvidia_smi.'],
  },
  { when: /: cannot read/, remedy: ['Until it can be read, the metrics that need it are absent.'] },
];

const OTHER_FAULT = {
  remedy: ['If the machine is just busy, raise memory.timeout. Other measurements go on.'],
};

function describeGpu({ name, pool, totalBytes, usedBytes }: GpuMemory): string {
  const used = usedBytes === undefined ? '' : `${formatBytes(usedBytes)} used of `;
  const total = totalBytes === undefined ? 'unknown size' : formatBytes(totalBytes);
  return `${name} (${pool}: ${used}${total})`;
}
