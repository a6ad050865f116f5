import type { Config } from '../config/schema.ts';
import { formatBytes } from '../lib/bytes.ts';
import { systemClock } from '../lib/clock.ts';
import { createMachine } from '../memory/machine.ts';
import { startMemory } from '../memory/memory.ts';
import { processHint } from '../memory/parents.ts';
import type { GpuMemory, MemoryReading, SourceReport } from '../memory/reading.ts';
import { type CauseRow, type Finding, findingsOf, fine, note, warn } from './finding.ts';
import { listedModels, type RouterEvidence } from './router-evidence.ts';

/** Measures once, as the service does at each interval. Undefined when the measurement does not end in time. */
export async function examineMemory(
  { memory, path, routers }: Config,
  examined: readonly RouterEvidence[],
): Promise<MemoryReading | undefined> {
  const timeoutMs = memory.timeout * 1000;
  const views = routers.map(({ name, url, local }) => {
    const evidence = examined.find((router) => router.name === name);
    const listed = evidence && listedModels(evidence);
    const models = listed?.map(processHint) ?? [];
    return { name, url, local, isListed: listed !== undefined, models };
  });
  const { nvidia_smi: nvidiaSmi, other_processes: maxOthers } = memory;
  const machine = { ...path, nvidiaSmi, maxOthers, timeoutMs, routers: () => views };
  const measure = createMachine(machine, systemClock);
  const measuring = startMemory({ measure, intervalMs: memory.interval * 1000, timeoutMs }, systemClock);
  try {
    // Four sources, one after the other.
    return await measuring.fresh(5 * timeoutMs);
  } finally {
    await measuring.stop();
  }
}

const SHARE_PROCESSES =
  "In a container, share the machine's process table (pid: host; in a pod, hostPID: true).";

/** Findings about the measurement of this machine's memory; undefined when it did not end in time. */
export function diagnoseMemory(reading: MemoryReading | undefined): Finding[] {
  const { gpus = [], reports = [NOT_MEASURED], foreignPids = false, hidden = [] } = reading ?? {};
  const { contained = [], orphans = [] } = reading ?? {};
  const faults = reports.filter(({ fault }) => fault !== undefined);
  const causes: CauseRow[] = [
    fine(gpus.length > 0, gpus.map(describeGpu).join('; ')),
    note(
      'no_gpu',
      gpus.length === 0 && faults.length === 0,
      'no GPU found: only resident memory and CPU time of local models are measured',
      'If there is one: NVIDIA needs nvidia-smi (memory.nvidia_smi), AMD and Intel the /sys of the machine (path.sysfs).',
    ),
    ...faults.map(sourceFailed),
    ...reports.flatMap(({ collector, warnings = [] }) =>
      warnings.map((warning) => note('source_warns', true, `${collector}: ${warning}`, LOOK_IT_UP)),
    ),
    warn(
      'pids_foreign',
      foreignPids,
      'nvidia-smi does not list the processes that are visible here: memory per model and unattributed memory are unknown',
      SHARE_PROCESSES,
      'Under WSL the driver reports no memory of processes: nothing can be done.',
    ),
    warn(
      'processes_hidden',
      hidden.length > 0,
      `models of ${hidden.join(', ')} are loaded, but their processes are not visible here`,
      SHARE_PROCESSES,
      'If that router runs on another machine, set local: no under it in the configuration file.',
    ),
    note(
      'models_contained',
      contained.length > 0,
      `${contained.map(({ model }) => model).join(', ')}: started as a container, whose processes are not found`,
      'Their memory and unattributed memory are unknown. Models that are started without a container are measured.',
    ),
    ...orphans.map(({ model, router, pid }) =>
      warn(
        'orphan_process',
        true,
        `orphan process ${pid} of ${model} holds memory, and is not below its router ${router}`,
        `End it: kill ${pid}. Until then the model may fail to start.`,
      ),
    ),
  ];
  return causes.flatMap((cause) => findingsOf('memory', [cause]));
}

const LOOK_IT_UP =
  'The values that came with it are used. Look up its words in the documentation of the driver.';
const NOT_MEASURED: SourceReport = { collector: 'memory', seconds: 0, fault: 'not measured in time' };

function sourceFailed({ collector, fault = '' }: SourceReport): CauseRow {
  const says = `${collector}: ${fault}`;
  const [, ...remedy] = FAULTS.find(([words]) => words.test(says)) ?? [/./];
  return warn('source_failed', true, says, ...remedy);
}

/** What to do about a fault with these words: the first row that applies. */
const FAULTS: readonly (readonly [words: RegExp, ...remedy: string[]])[] = [
  [/version mismatch/, 'Restart the machine: the driver was updated while in use.'],
  [
    / is lost: /,
    'See the kernel log: dmesg | grep -iE "xid|nvrm|amdgpu|xe ". A reset of the card or a restart of the machine may bring it back.',
    'If it was removed on purpose, restart the exporter.',
  ],
  [
    /^nvidia-smi: no response within/,
    'See how long it takes: time nvidia-smi. Seconds are usual without persistence mode: nvidia-smi -pm 1, or nvidia-persistenced.',
    'Otherwise raise memory.timeout. If it never ends, restart the machine: the driver hangs.',
  ],
  [/no such program/, "Correct memory.nvidia_smi, or set it to '' if the machine has no NVIDIA GPU."],
  [
    /^nvidia-smi: /,
    'Run nvidia-smi as the user of the service. If it works there, correct memory.nvidia_smi.',
  ],
  [/: cannot read/, 'Until it can be read, the metrics that need it are absent.'],
  [/./, 'If the machine is just busy, raise memory.timeout. Other measurements go on.'],
];

function describeGpu({ name, pool, totalBytes, usedBytes }: GpuMemory): string {
  const used = usedBytes === undefined ? '' : `${formatBytes(usedBytes)} used of `;
  const total = totalBytes === undefined ? 'unknown size' : formatBytes(totalBytes);
  return `${name} (${pool}: ${used}${total})`;
}
