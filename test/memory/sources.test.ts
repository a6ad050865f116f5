import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.ts';
import { createAmdgpu, createIntel } from '../../src/memory/drm-cards.ts';
import { createDrmFdinfo } from '../../src/memory/drm-fdinfo.ts';
import { createHost } from '../../src/memory/host.ts';
import { createNvidiaSmi } from '../../src/memory/nvidia-smi.ts';
import { createProcesses } from '../../src/memory/processes.ts';
import { readSource, type Source } from '../../src/memory/source.ts';
import { asNobody } from '../support/as-nobody.ts';
import { playRecording } from '../support/fake-nvidia-smi.ts';
import { aMachine, modelArgs } from '../support/machine.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { until } from '../support/until.ts';

const folder = scratchFolder();
chmodSync(folder, 0o755);
const SYSFS = join(import.meta.dirname, '..', 'fixtures', 'memory', 'sysfs');
const MIB = 1024 * 1024;
const never = new AbortController().signal;

/** A root whose folder at this path only the user root can read. */
function closed(path: string): string {
  const root = mkdtempSync(join(folder, 'closed-'));
  mkdirSync(join(root, path), { recursive: true });
  chmodSync(root, 0o755);
  chmodSync(join(root, path), 0);
  return root;
}

/** A root whose file at this path has unexpected content. */
function nonsense(path: string): string {
  const root = mkdtempSync(join(folder, 'nonsense-'));
  chmodSync(root, 0o755);
  writeFileSync(join(root, path), 'unexpected');
  return root;
}

const ask = (source: Source<unknown, never>, question: unknown = undefined) =>
  source.read(question as never, never);

interface Case {
  create(root: string): Source<unknown, never>;
  question?: unknown;
  nothing: unknown;
  spoiled(): string;
  fault: RegExp;
}

describe.each<[string, Case]>([
  [
    'nvidia-smi',
    {
      create: (root) => createNvidiaSmi(join(root, 'nvidia-smi'), systemClock),
      nothing: { devices: [], processes: [] },
      spoiled: () => nonsense('nvidia-smi'),
      fault: /^cannot start: EACCES$/,
    },
  ],
  [
    'amdgpu',
    {
      create: createAmdgpu,
      nothing: [],
      spoiled: () => closed('class/drm'),
      fault: /^cannot read .*class\/drm: EACCES$/,
    },
  ],
  [
    'intel',
    {
      create: createIntel,
      nothing: [],
      spoiled: () => closed('class/drm'),
      fault: /^cannot read .*class\/drm: EACCES$/,
    },
  ],
  [
    'drm-fdinfo',
    {
      create: createDrmFdinfo,
      question: [7],
      nothing: [],
      spoiled: () => closed('7/fdinfo'),
      fault:
        /^cannot read .*7\/fdinfo: EACCES\. Run the exporter as llama-server's user, as root or with CAP_SYS_PTRACE$/,
    },
  ],
  [
    'host',
    {
      create: createHost,
      nothing: undefined,
      spoiled: () => nonsense('meminfo'),
      fault: /meminfo lacks MemTotal or MemAvailable$/,
    },
  ],
  [
    'processes',
    {
      create: createProcesses,
      question: [],
      nothing: { models: [], parents: [] },
      spoiled: () => closed('.'),
      fault: /^cannot read .*: EACCES\. Set --path.procfs to the machine's \/proc$/,
    },
  ],
])('the source %s', (name, { create, question, nothing, spoiled, fault }) => {
  it('has its name, and finds nothing if there is nothing', async () => {
    const source = create(join(folder, 'nowhere'));
    expect(source.name).toBe(name);
    expect(source.nothing).toEqual(nothing);
    expect(await ask(source, question)).toEqual({ ok: true, value: nothing });
  });

  it('reports what it cannot read', async () => {
    const source = create(spoiled());
    expect(await asNobody(() => ask(source, question))).toEqual({
      ok: false,
      fault: expect.stringMatching(fault),
    });
  });
});

describe('a source that does not respond', () => {
  const silent: Source<string> = {
    name: 'silent',
    nothing: 'nothing',
    timeoutHint: '; check it',
    read: () => new Promise(() => {}),
  };

  it('is a fault after the timeout', async () => {
    const ending = new AbortController();
    const asked = await readSource(silent, undefined, {
      timeoutMs: 20,
      clock: systemClock,
      ending: ending.signal,
    });
    expect(asked).toEqual({
      facts: 'nothing',
      report: {
        collector: 'silent',
        seconds: expect.any(Number),
        fault: 'no response within 0.02 s; check it',
      },
    });
  });

  it('is cancelled at the end', async () => {
    const ending = new AbortController();
    const asked = readSource(silent, undefined, {
      timeoutMs: 60_000,
      clock: systemClock,
      ending: ending.signal,
    });
    ending.abort();
    expect((await asked).report.fault).toBeDefined();
  });
});

describe('nvidia-smi', () => {
  const read = (recording: string, signal = never) =>
    createNvidiaSmi(playRecording(recording), systemClock).read(undefined, signal);

  it('reads several cards and the processes on them', async () => {
    expect(await read('two-cards')).toEqual({
      ok: true,
      value: {
        devices: [
          {
            ...{
              gpu: '0',
              uuid: 'GPU-5f0c8d1e-6c64-2f52-77a4-8d7c1d3a9b10',
              name: 'NVIDIA GeForce RTX 3090',
            },
            ...{ totalBytes: 24_576 * MIB, usedBytes: 21_050 * MIB, unified: false, divided: false },
          },
          {
            ...{ gpu: '1', uuid: 'GPU-a1b2c3d4-0e1f-4a2b-9c3d-4e5f60718293', name: 'NVIDIA RTX A6000' },
            ...{ totalBytes: 49_140 * MIB, usedBytes: 8211 * MIB, unified: false, divided: false },
          },
        ],
        processes: [
          { uuid: 'GPU-5f0c8d1e-6c64-2f52-77a4-8d7c1d3a9b10', pid: 4101, bytes: 18_022 * MIB },
          { uuid: 'GPU-5f0c8d1e-6c64-2f52-77a4-8d7c1d3a9b10', pid: 2210, bytes: 2318 * MIB },
          { uuid: 'GPU-a1b2c3d4-0e1f-4a2b-9c3d-4e5f60718293', pid: 4101, bytes: 5120 * MIB },
          { uuid: 'GPU-a1b2c3d4-0e1f-4a2b-9c3d-4e5f60718293', pid: 4150, bytes: 2600 * MIB },
        ],
      },
    });
  });

  it.each([
    [
      'driver-mismatch',
      'exited with 18: Failed to initialize NVML: Driver/library version mismatch NVML library version: 570.195',
    ],
    [
      'no-driver',
      "exited with 9: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
    ],
    [
      'lost',
      'exited with 15: Unable to determine the device handle for GPU0000:0A:00.0: GPU is lost. Reboot the system to recover this GPU',
    ],
    [
      'other-words',
      'unexpected output: NVIDIA-SMI 535.120                Driver Version: 537.58       CUDA Version: 12.2',
    ],
    ['flood', 'killed because it printed more than 1 MiB'],
  ])('%s: has the message of the driver as fault', async (recording, fault) => {
    expect(await read(recording)).toEqual({ ok: false, fault });
  });

  it('finds nothing if the driver finds no card', async () => {
    expect(await read('no-devices')).toEqual({ ok: true, value: { devices: [], processes: [] } });
  });

  it('is killed when it hangs, and starts again the next time', async () => {
    const source = createNvidiaSmi(playRecording('hang'), systemClock);
    for (let round = 0; round < 2; round += 1) {
      const patience = new AbortController();
      const reading = source.read(undefined, patience.signal);
      setTimeout(() => patience.abort(), 100);
      expect(await reading).toEqual({ ok: false, fault: 'killed by SIGKILL' });
    }
  });
});

describe('DRM cards', () => {
  const amd = async (tree: string) => createAmdgpu(join(SYSFS, tree)).read(undefined, never);
  const intel = async (tree: string) => createIntel(join(SYSFS, tree)).read(undefined, never);

  it('two Radeons: with their names and numbers, without connectors', async () => {
    const first = { gpu: '0', uuid: '7f3a1c9b20e4d615', name: 'AMD 1002:744C', pciAddress: '0000:03:00.0' };
    const second = {
      gpu: '1',
      uuid: '18f68e602b8a790f',
      name: 'AMD Instinct MI210',
      pciAddress: '0000:0b:00.0',
    };
    expect(await amd('two-radeons')).toEqual({
      ok: true,
      value: [
        { ...first, pool: 'vram', totalBytes: 25_753_026_560, usedBytes: 19_327_352_832 },
        { ...first, pool: 'gtt', totalBytes: 33_504_718_848, usedBytes: 268_435_456 },
        { ...second, pool: 'vram', totalBytes: 68_702_699_520, usedBytes: 10_485_760 },
        { ...second, pool: 'gtt', totalBytes: 33_504_718_848, usedBytes: 14_680_064 },
      ],
    });
  });

  it('an APU: with both pools', async () => {
    const card = { gpu: '1', uuid: '0000:c5:00.0', name: 'AMD 1002:1586', pciAddress: '0000:c5:00.0' };
    expect(await amd('strix-halo')).toEqual({
      ok: true,
      value: [
        { ...card, pool: 'vram', totalBytes: 536_870_912, usedBytes: 170_479_616 },
        { ...card, pool: 'gtt', totalBytes: 133_143_986_176, usedBytes: 64_424_509_440 },
      ],
    });
  });

  it('Intel: without used memory', async () => {
    const arc = { gpu: '0', uuid: '0000:03:00.0', name: 'Intel 8086:E20B', pciAddress: '0000:03:00.0' };
    const own = { gpu: '1', uuid: '0000:00:02.0', name: 'Intel 8086:4680', pciAddress: '0000:00:02.0' };
    expect(await intel('arc')).toEqual({
      ok: true,
      value: [
        { ...arc, pool: 'vram', totalBytes: 12_784_238_592 },
        { ...arc, pool: 'gtt' },
        { ...own, pool: 'vram' },
        { ...own, pool: 'gtt' },
      ],
    });
  });

  it.each(['old-radeon', 'nvidia'])('%s: nothing, because the driver reports nothing there', async (tree) => {
    expect([await amd(tree), await intel(tree)]).toEqual([
      { ok: true, value: [] },
      { ok: true, value: [] },
    ]);
  });

  it('a process has the allocations of its clients, each counted once however many files it has', async () => {
    const machine = aMachine();
    machine.run({ pid: 7, args: modelArgs('qwen', 1), fdinfo: ['plain-file', 'amdgpu', 'amdgpu', 'xe'] });
    expect(await createDrmFdinfo(machine.procfs).read([7, 8], never)).toEqual({
      ok: true,
      value: [
        { pid: 7, pciAddress: '0000:03:00.0', pool: 'vram', bytes: 18_432 * MIB },
        { pid: 7, pciAddress: '0000:03:00.0', pool: 'gtt', bytes: 64 * MIB },
        { pid: 7, pciAddress: '0000:03:00.0', pool: 'vram', bytes: 23_992 * 1024 },
        { pid: 7, pciAddress: '0000:03:00.0', pool: 'gtt', bytes: 192 * 1024 },
      ],
    });
  });
});

it('a missing program is not killed: the signal would go to the process group of the exporter', async () => {
  const patience = new AbortController();
  const reading = createNvidiaSmi('/nowhere/nvidia-smi', systemClock).read(undefined, patience.signal);
  patience.abort();
  expect((await reading).ok).toBe(true);
});

it('a program name with a zero byte is a fault', async () => {
  const read = await createNvidiaSmi('nvidia\0smi', systemClock).read(undefined, never);
  expect(read).toEqual({ ok: false, fault: 'cannot start: ERR_INVALID_ARG_VALUE' });
});

it('a killed program leaves nothing running', async () => {
  const patience = new AbortController();
  const before = process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
  const reading = createNvidiaSmi(playRecording('hang'), systemClock).read(undefined, patience.signal);
  patience.abort();
  await reading;
  const left = () => process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
  await until('it to be gone', () => left() <= before);
});
