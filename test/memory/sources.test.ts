import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.ts';
import { createAmdgpu } from '../../src/memory/amdgpu.ts';
import { createDrmFdinfo } from '../../src/memory/drm-fdinfo.ts';
import { createHost } from '../../src/memory/host.ts';
import { createIntel } from '../../src/memory/intel.ts';
import { createNvidiaSmi } from '../../src/memory/nvidia-smi.ts';
import { createProcesses } from '../../src/memory/processes.ts';
import { askSource, type Source } from '../../src/memory/source.ts';
import { asNobody } from '../support/as-nobody.ts';
import { playRecording } from '../support/fake-nvidia-smi.ts';
import { aMachine, modelArgs } from '../support/machine.ts';
import { until } from '../support/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'sources-'));
chmodSync(folder, 0o755);
const SYSFS = join(import.meta.dirname, '..', 'fixtures', 'memory', 'sysfs');
const MIB = 1024 * 1024;
const never = new AbortController().signal;
afterAll(() => rmSync(folder, { recursive: true }));

/** A root in which this folder is there, and closed to everybody but root. */
function closed(path: string): string {
  const root = mkdtempSync(join(folder, 'closed-'));
  mkdirSync(join(root, path), { recursive: true });
  chmodSync(root, 0o755);
  chmodSync(join(root, path), 0);
  return root;
}

/** A root in which this file holds something else. */
function nonsense(path: string): string {
  const root = mkdtempSync(join(folder, 'nonsense-'));
  chmodSync(root, 0o755);
  writeFileSync(join(root, path), 'not what anybody expects');
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

/** What every source keeps to, whatever it reads. */
describe.each<[string, Case]>([
  [
    'nvidia-smi',
    {
      create: (root) => createNvidiaSmi(join(root, 'nvidia-smi'), systemClock),
      nothing: { devices: [], holdings: [] },
      spoiled: () => nonsense('nvidia-smi'),
      fault: /^it cannot be started \(EACCES\)$/,
    },
  ],
  [
    'amdgpu',
    {
      create: createAmdgpu,
      nothing: [],
      spoiled: () => closed('class/drm'),
      fault: /class\/drm cannot be read \(EACCES\)$/,
    },
  ],
  [
    'intel',
    {
      create: createIntel,
      nothing: [],
      spoiled: () => closed('class/drm'),
      fault: /class\/drm cannot be read \(EACCES\)$/,
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
        /7\/fdinfo cannot be read \(EACCES\): run as llama-server's user, as root or with CAP_SYS_PTRACE$/,
    },
  ],
  [
    'host',
    {
      create: createHost,
      nothing: undefined,
      spoiled: () => nonsense('meminfo'),
      fault: /meminfo does not tell MemTotal and MemAvailable$/,
    },
  ],
  [
    'processes',
    {
      create: createProcesses,
      question: [],
      nothing: { models: [], parents: [] },
      spoiled: () => closed('.'),
      fault: /cannot be read \(EACCES\): give --path.procfs the machine's \/proc$/,
    },
  ],
])('the source %s', (name, { create, question, nothing, spoiled, fault }) => {
  it('bears its name, and finds nothing where nothing is', async () => {
    const source = create(join(folder, 'nowhere'));
    expect(source.name).toBe(name);
    expect(source.nothing).toEqual(nothing);
    expect(await ask(source, question)).toEqual({ ok: true, value: nothing });
  });

  it('says in words what it could not read', async () => {
    const source = create(spoiled());
    expect(await asNobody(() => ask(source, question))).toEqual({
      ok: false,
      fault: expect.stringMatching(fault),
    });
  });
});

describe('a source that gives no answer', () => {
  const silent: Source<string> = {
    name: 'silent',
    nothing: 'nothing',
    whenLate: ': kick it',
    read: () => new Promise(() => {}),
  };

  it('is waited for as long as it may take, and then is a fault', async () => {
    const ending = new AbortController();
    const asked = await askSource(silent, undefined, {
      timeoutMs: 20,
      clock: systemClock,
      ending: ending.signal,
    });
    expect(asked).toEqual({
      facts: 'nothing',
      report: { collector: 'silent', seconds: expect.any(Number), fault: 'no answer within 0.02 s: kick it' },
    });
  });

  it('is not waited for when all is to end', async () => {
    const ending = new AbortController();
    const asked = askSource(silent, undefined, {
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

  it('tells of several cards and who computes on them', async () => {
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
        holdings: [
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
      'it ended with 18: Failed to initialize NVML: Driver/library version mismatch NVML library version: 570.195',
    ],
    [
      'no-driver',
      "it ended with 9: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
    ],
    [
      'lost',
      'it ended with 15: Unable to determine the device handle for GPU0000:0A:00.0: GPU is lost. Reboot the system to recover this GPU',
    ],
    [
      'other-words',
      'it printed what is no line of its CSV: NVIDIA-SMI 535.120                Driver Version: 537.58       CUDA Version: 12.2',
    ],
    ['flood', 'it printed without end and was killed'],
  ])('%s: passes on what the driver says', async (recording, fault) => {
    expect(await read(recording)).toEqual({ ok: false, fault });
  });

  it('has nothing where the driver finds no card', async () => {
    expect(await read('no-devices')).toEqual({ ok: true, value: { devices: [], holdings: [] } });
  });

  it('is killed when it hangs, and started again the next time', async () => {
    const source = createNvidiaSmi(playRecording('hang'), systemClock);
    for (let round = 0; round < 2; round += 1) {
      const patience = new AbortController();
      const reading = source.read(undefined, patience.signal);
      setTimeout(() => patience.abort(), 100);
      expect(await reading).toEqual({ ok: false, fault: 'it was ended by SIGKILL' });
    }
  });
});

describe('cards of DRM', () => {
  const amd = async (tree: string) => createAmdgpu(join(SYSFS, tree)).read(undefined, never);
  const intel = async (tree: string) => createIntel(join(SYSFS, tree)).read(undefined, never);

  it('two Radeons: by their own names and numbers, connectors left out', async () => {
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

  it('an APU: what is its own, and what it uses of the machine’s', async () => {
    const card = { gpu: '1', uuid: '0000:c5:00.0', name: 'AMD 1002:1586', pciAddress: '0000:c5:00.0' };
    expect(await amd('strix-halo')).toEqual({
      ok: true,
      value: [
        { ...card, pool: 'vram', totalBytes: 536_870_912, usedBytes: 170_479_616 },
        { ...card, pool: 'gtt', totalBytes: 133_143_986_176, usedBytes: 64_424_509_440 },
      ],
    });
  });

  it('Intel: at most how large it is, never how full', async () => {
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

  it.each(['old-radeon', 'nvidia'])('%s: nothing, for its driver tells nothing there', async (tree) => {
    expect([await amd(tree), await intel(tree)]).toEqual([
      { ok: true, value: [] },
      { ok: true, value: [] },
    ]);
  });

  it('a process holds what its clients hold', async () => {
    const machine = aMachine();
    machine.run({ pid: 7, args: modelArgs('qwen', 1), fdinfo: ['plain-file', 'amdgpu', 'amdgpu', 'xe'] });
    expect(await createDrmFdinfo(machine.procfs).read([7, 8], never)).toEqual({
      ok: true,
      value: [
        { pid: 7, pciAddress: '0000:03:00.0', pool: 'vram', bytes: (18_432 * 1024 + 23_992) * 1024 },
        { pid: 7, pciAddress: '0000:03:00.0', pool: 'gtt', bytes: (64 * 1024 + 192) * 1024 },
      ],
    });
    machine.remove();
  });
});

it('a program that is not there is not killed: the signal would hit our own process group', async () => {
  const patience = new AbortController();
  const reading = createNvidiaSmi('/nowhere/nvidia-smi', systemClock).read(undefined, patience.signal);
  patience.abort();
  expect((await reading).ok).toBe(true);
});

it('a program that cannot even be asked for is a fault', async () => {
  const read = await createNvidiaSmi('nvidia\0smi', systemClock).read(undefined, never);
  expect(read).toEqual({ ok: false, fault: 'it cannot be started (ERR_INVALID_ARG_VALUE)' });
});

it('a program that is killed leaves nothing running', async () => {
  const patience = new AbortController();
  const before = process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
  const reading = createNvidiaSmi(playRecording('hang'), systemClock).read(undefined, patience.signal);
  patience.abort();
  await reading;
  const left = () => process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
  await until('it to be gone', () => left() <= before);
});
