import { formatBytes } from '../lib/bytes.ts';
import type { GpuMemory, MemoryReading, SourceReport } from '../memory/reading.ts';
import type { FileEvidence } from './files.ts';
import type { Finding, KnownCause } from './finding.ts';

export const STATE_CAUSES: readonly KnownCause<FileEvidence>[] = [
  {
    cause: 'state_not_kept',
    mark: 'note',
    when: ({ kind }) => kind === 'unset',
    says: 'counters and holds are lost at a restart: state.file is not set',
  },
  {
    cause: 'state_damaged',
    mark: 'warn',
    when: ({ kind }) => kind === 'damaged',
    says: ({ path }) => `${path} is damaged, or of another version`,
    remedy: [
      'Restore a backup of it, if there is one. Otherwise the service renames it at its next start, and counters begin at 0.',
    ],
  },
  {
    cause: 'state_unreadable',
    when: ({ kind }) => kind === 'unreadable',
    says: ({ path, code }) => `${path} cannot be read (${code})`,
    remedy: ['Make it readable for the user of the service. Until then, counters begin at 0.'],
  },
  {
    cause: 'state_unwritable',
    when: ({ kind }) => kind === 'unwritable',
    says: ({ path, code }) => `${path} cannot be written (${code})`,
    remedy: (file) => [
      ...makeWritable(file, 'state.file'),
      'Until then, counters begin at 0 after every restart.',
    ],
  },
  {
    cause: 'fine',
    mark: 'ok',
    when: () => true,
    says: ({ path, kind }) => `${path} can be ${kind === 'new' ? 'created' : 'read and written'}`,
  },
];

export const AUDIT_CAUSES: readonly KnownCause<FileEvidence>[] = [
  {
    cause: 'audit_not_kept',
    mark: 'note',
    when: ({ kind }) => kind === 'unset',
    says: 'operations are only in the log: audit.file is not set',
  },
  {
    cause: 'audit_unwritable',
    when: ({ kind }) => kind === 'unwritable',
    says: ({ path, code }) => `${path} cannot be written (${code})`,
    remedy: (file) => [...makeWritable(file, 'audit.file'), 'Until then, operations are only in the log.'],
  },
  {
    cause: 'fine',
    mark: 'ok',
    when: () => true,
    says: ({ path, kind }) => `${path} can be ${kind === 'new' ? 'created' : 'appended to'}`,
  },
];

/** How to make a file writable; `option` names it in the configuration. */
function makeWritable({ folder, code, uid }: FileEvidence, option: string): string[] {
  switch (code) {
    case 'EISDIR':
      return [`It is a folder: set ${option} to the path of a file.`];
    case 'ENOTDIR':
      return [`${folder} is a file, not a folder: correct ${option}.`];
    case 'ENOSPC':
    case 'EDQUOT':
      return [`Free space in ${folder}: none is left.`];
    case 'EROFS':
      return [
        `${folder} is read-only: mount a writable volume there, or change ${option}.`,
        `With systemd: StateDirectory=llama-router-exporter, and ${option} in that folder.`,
      ];
    default:
      return [
        `Make ${folder} writable for the user of the service${uid === undefined ? '' : ` (user ID here: ${uid})`}.`,
        `To see its mode: ls -ld ${folder}`,
      ];
  }
}

/** Findings about the measurement of this machine's memory; undefined when it did not end in time. */
export function diagnoseMemory(reading: MemoryReading | undefined): Finding[] {
  const check = 'memory';
  if (!reading) return [sourceFailed({ collector: 'memory', seconds: 0, fault: 'not measured in time' })];
  const { gpus, hidden } = reading;
  const findings = reading.reports.filter(({ fault }) => fault !== undefined).map(sourceFailed);
  if (gpus.length > 0) {
    const says = gpus.map(describeGpu).join('; ');
    findings.unshift({ check, mark: 'ok', cause: 'fine', says, remedy: [] });
  } else if (findings.length === 0) {
    const says = 'no GPU found: only resident memory and CPU time of local models are measured';
    const remedy = [
      'If there is one: NVIDIA needs nvidia-smi (memory.nvidia_smi), AMD and Intel the /sys of the machine (path.sysfs).',
    ];
    findings.push({ check, mark: 'note', cause: 'no_gpu', says, remedy });
  }
  for (const { collector, warnings = [] } of reading.reports) {
    if (warnings.length === 0) continue;
    const remedy = [
      'The values that came with it are used. Look up its words in the documentation of the driver.',
    ];
    findings.push({
      check,
      mark: 'note',
      cause: 'source_warns',
      says: `${collector}: ${warnings.join('; ')}`,
      remedy,
    });
  }
  if (reading.foreignPids) {
    const says =
      'nvidia-smi does not list the processes that are visible here: memory per model and unattributed memory are unknown';
    const remedy = [
      "In a container, share the machine's process table (pid: host; in a pod, hostPID: true).",
      'Under WSL the driver reports no memory of processes: nothing can be done.',
    ];
    findings.push({ check, mark: 'warn', cause: 'pids_foreign', says, remedy });
  }
  if (hidden.length > 0) {
    const says = `models of ${hidden.join(', ')} are loaded, but their processes are not visible here`;
    const remedy = [
      "In a container, share the machine's process table (pid: host; in a pod, hostPID: true).",
      'If that router runs on another machine, set local: no under it in the configuration file.',
    ];
    findings.push({ check, mark: 'warn', cause: 'processes_hidden', says, remedy });
  }
  return findings;
}

function sourceFailed({ collector, fault = '' }: SourceReport): Finding {
  const says = `${collector}: ${fault}`;
  const remedy = (FAULTS.find(({ when }) => when.test(says)) ?? OTHER_FAULT).remedy;
  return { check: 'memory', mark: 'warn', cause: 'source_failed', says, remedy };
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
