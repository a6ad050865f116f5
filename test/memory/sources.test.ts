import { chmodSync, cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.ts';
import { createAmdgpu, createIntel } from '../../src/memory/drm-cards.ts';
import { createDrmFdinfo } from '../../src/memory/drm-fdinfo.ts';
import { createHost } from '../../src/memory/host.ts';
import { parseDevices } from '../../src/memory/nvidia-csv.ts';
import { createNvidiaSmi, nvidiaMemory } from '../../src/memory/nvidia-smi.ts';
import { createTree } from '../../src/memory/process-tree.ts';
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

/** nvidia-smi on a machine without other cards. */
const anNvidiaSmi = (program: string, more: { procfs?: string; wslProgram?: string } = {}) =>
  createNvidiaSmi({ program, procfs: '/nowhere', ...more }, systemClock);
const NO_CARDS = { pools: [], allocations: [], lost: [] };

interface Case {
  create(root: string): Source<unknown, never>;
  question?: unknown;
  nothing: unknown;
  /** A fault if there is nothing. */
  absence?: RegExp;
  spoiled(): string;
  fault: RegExp;
}

describe.each<[string, Case]>([
  [
    'nvidia-smi',
    {
      create: (root) => anNvidiaSmi(join(root, 'nvidia-smi')),
      nothing: NO_CARDS,
      absence: /^cannot start .*nowhere\/nvidia-smi: no such program\. Correct memory\.nvidia_smi$/,
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
      question: { own: [7], others: [] },
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
      nothing: { models: [], parents: [], tree: createTree([]), pids: new Set(), inspected: [] },
      spoiled: () => closed('.'),
      fault: /^cannot read .*: EACCES\. Set --path.procfs to the machine's \/proc$/,
    },
  ],
])('the source %s', (name, { create, question, nothing, absence, spoiled, fault }) => {
  it('has its name, and finds nothing if there is nothing', async () => {
    const source = create(join(folder, 'nowhere'));
    expect(source.name).toBe(name);
    expect(source.nothing).toEqual(nothing);
    expect(await ask(source, question)).toEqual(
      absence ? { ok: false, fault: expect.stringMatching(absence) } : { ok: true, value: nothing },
    );
  });

  it('reports what it cannot read', async () => {
    const source = create(spoiled());
    const read = await asNobody(() => ask(source, question));
    // A process that cannot be read is no reason to lose the others.
    const said = read.ok ? read.notes?.fault : read.fault;
    expect(said).toMatch(fault);
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
      ok: false,
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

it('a source of an exporter without a free file descriptor is a fault: its files do not count as missing', async () => {
  const shortage = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
  const source: Source<string> = { name: 'short', nothing: 'nothing', read: () => Promise.reject(shortage) };
  const { signal } = new AbortController();
  const asked = await readSource(source, undefined, {
    timeoutMs: 60_000,
    clock: systemClock,
    ending: signal,
  });
  expect(asked).toMatchObject({
    facts: 'nothing',
    report: { fault: expect.stringMatching(/^cannot open files \(EMFILE\): .*raise its limit/) },
  });
});

describe('nvidia-smi', () => {
  const read = (recording: string, more: { procfs?: string } = {}) =>
    anNvidiaSmi(playRecording(recording), more).read(undefined, never);
  const facts = async (recording: string, more: { procfs?: string } = {}) => {
    const result = await read(recording, more);
    if (!result.ok) throw new Error(result.fault);
    return { ...result.value, notes: result.notes };
  };
  const [ONE, TWO] = ['GPU-5f0c8d1e-6c64-2f52-77a4-8d7c1d3a9b10', 'GPU-a1b2c3d4-0e1f-4a2b-9c3d-4e5f60718293'];

  it('reads several cards and the processes on them', async () => {
    const healthy = { pool: 'vram', integrated: false, hasAllocations: true } as const;
    expect(await facts('two-cards')).toEqual({
      pools: [
        {
          ...{ gpu: '0', uuid: ONE, name: 'NVIDIA GeForce RTX 3090', ...healthy },
          ...{ totalBytes: 24_576 * MIB, usedBytes: 21_050 * MIB, freeBytes: 3200 * MIB },
        },
        {
          ...{ gpu: '1', uuid: TWO, name: 'NVIDIA RTX A6000', ...healthy },
          ...{ totalBytes: 49_140 * MIB, usedBytes: 8211 * MIB, freeBytes: 40_440 * MIB },
        },
      ],
      allocations: [
        { uuid: ONE, pid: 4101, pool: 'vram', bytes: 18_022 * MIB },
        { uuid: ONE, pid: 2210, pool: 'vram', bytes: 2318 * MIB },
        { uuid: TWO, pid: 4101, pool: 'vram', bytes: 5120 * MIB },
        { uuid: TWO, pid: 4150, pool: 'vram', bytes: 2600 * MIB },
      ],
      lost: [],
      notes: { warnings: [], malformed: 0 },
    });
  });

  it('reads an H200, with the graphics process of a router built with Vulkan', async () => {
    const { pools, allocations } = await facts('h200');
    const uuid = 'GPU-46a18be3-62a9-aaa7-d3f2-f48ef3f4adee';
    // Reserved memory is not part of used memory.
    expect(pools).toMatchObject([
      { uuid, pciAddress: '0000:00:06.0', totalBytes: 143_771 * MIB, usedBytes: 3711 * MIB },
    ]);
    expect(allocations.map((each) => [each.uuid, each.pid, (each.bytes ?? 0) / MIB])).toEqual([
      [uuid, 650, 1122],
      [uuid, 646, 1634],
      [uuid, 852, 434],
      [uuid, 858, 434],
      [uuid, 816, 7],
    ]);
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
      'other-words',
      'unexpected output: NVIDIA-SMI 535.120                Driver Version: 537.58       CUDA Version: 12.2',
    ],
    ['flood', 'killed because it printed more than 1 MiB'],
    ['unknown-field', 'exited with 2: Field "bogus" is not a valid field to query.'],
  ])('%s: has the message of the driver as fault', async (recording, fault) => {
    expect(await read(recording)).toEqual({ ok: false, fault });
  });

  it('finds nothing if the driver finds no card', async () => {
    expect(await facts('no-devices')).toEqual(NO_CARDS);
  });

  it('uses good values with warnings and an exit code', async () => {
    const { pools, allocations, notes } = await facts('inforom');
    const warning = 'WARNING: infoROM is corrupted at gpu 0000:0B:00.0';
    expect(pools.map(({ usedBytes = 0, hasAllocations }) => [usedBytes / MIB, hasAllocations])).toEqual([
      [21_050, true],
      [8211, true],
    ]);
    expect(allocations).toHaveLength(2);
    expect(notes).toEqual({ warnings: [`exited with 14: ${warning}`], malformed: 2 });
  });

  it('ignores what is on the standard error output of a run that succeeds', async () => {
    const { pools, notes } = await facts('preload');
    expect([pools.length, notes]).toEqual([1, { warnings: [], malformed: 0 }]);
  });

  it('accepts the uuid and the missing processes of Jetson', async () => {
    const uuid = 'bbbe9f37-7028-556a-930b-54e5f3b67a82';
    expect(await facts('jetson')).toMatchObject({
      pools: [{ uuid, pool: 'host', integrated: true, hasAllocations: false }],
      allocations: [],
      notes: { warnings: [], malformed: 0 },
    });
  });

  it('tells cards with a uuid of zeros apart by their addresses', async () => {
    const { pools, allocations } = await facts('zero-uuids');
    expect(pools.map(({ uuid, hasAllocations }) => [uuid, hasAllocations])).toEqual([
      ['0000:0a:00.0', true],
      ['0000:0b:00.0', true],
    ]);
    expect(allocations.map(({ uuid, pid }) => [uuid, pid])).toEqual([
      ['0000:0a:00.0', 4101],
      ['0000:0b:00.0', 4150],
    ]);
  });

  it('a malformed line costs one card: the others stay', async () => {
    const { pools, lost, notes } = await facts('one-malformed');
    expect(pools).toMatchObject([{ uuid: ONE, hasAllocations: true }]);
    expect(lost).toMatchObject([
      { gpu: '1', uuid: TWO, reason: expect.stringMatching(/^unexpected output: 1, /) },
    ]);
    expect(notes?.malformed).toBe(2);
  });

  it('a malformed process makes the allocations of its card unknown', () => {
    const { values } = parseDevices(`0, ${ONE}, [N/A], 9, 9, A\n1, ${TWO}, [N/A], 9, 9, B\n`);
    const { pools } = nvidiaMemory(values, [], [`${TWO}, x, 2600`]);
    expect(pools.map(({ hasAllocations }) => hasAllocations)).toEqual([true, false]);
  });

  it('a lost card is named, and the others are read', async () => {
    const { pools, lost } = await facts('one-lost');
    expect(pools.map(({ uuid }) => uuid)).toEqual([ONE]);
    expect(lost).toMatchObject([{ gpu: '1', uuid: TWO, name: 'NVIDIA RTX A6000', reason: 'GPU is lost' }]);
  });

  it('a card that ends the query is named, and the others are asked for again', async () => {
    const procfs = scratchFolder();
    for (const address of ['0000:0a:00.0', '0000:0b:00.0']) {
      mkdirSync(join(procfs, 'driver/nvidia/gpus', address), { recursive: true });
    }
    const { pools, allocations, lost } = await facts('lost', { procfs });
    expect(pools.map(({ uuid }) => uuid)).toEqual([TWO]);
    expect(allocations).toHaveLength(1);
    const reason = 'GPU is lost. Reboot the system to recover this GPU';
    expect(lost).toEqual([{ pciAddress: '0000:0a:00.0', reason }]);
    expect(await facts('lost')).toMatchObject({
      pools: [],
      lost: [{ pciAddress: '0000:0a:00.0', reason }],
    });
  });

  it('without its program finds nothing; another program than the usual one must exist', async () => {
    const usual = anNvidiaSmi('nvidia-smi', { wslProgram: '/nowhere/nvidia-smi' });
    const inWsl = anNvidiaSmi('nvidia-smi', { wslProgram: playRecording('two-cards') });
    const path = process.env.PATH;
    process.env.PATH = '/nowhere';
    try {
      expect(await usual.read(undefined, never)).toEqual({ ok: true, value: NO_CARDS });
      expect(await inWsl.read(undefined, never)).toMatchObject({
        value: { pools: [{ uuid: ONE }, { uuid: TWO }] },
      });
    } finally {
      process.env.PATH = path;
    }
    expect(await anNvidiaSmi('nvidia-smi-535').read(undefined, never)).toEqual({
      ok: false,
      fault: 'cannot start nvidia-smi-535: no such program. Correct memory.nvidia_smi',
    });
  });

  it('is killed when it hangs, and starts again the next time', async () => {
    const source = anNvidiaSmi(playRecording('hang'));
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
    const first = {
      gpu: '0',
      uuid: '7f3a1c9b20e4d615',
      name: 'AMD 1002:744C',
      pciAddress: '0000:03:00.0',
      integrated: false,
    };
    const second = {
      gpu: '1',
      uuid: '18f68e602b8a790f',
      name: 'AMD Instinct MI210',
      pciAddress: '0000:0b:00.0',
      integrated: false,
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

  it.each([
    ['a1', 'a2', ['a1', 'a2']],
    ['0000000000000000', '0000000000000000', ['0000:03:00.0', '0000:0b:00.0']],
    ['0x0', 'a2', ['0000:03:00.0', 'a2']],
    ['a1', 'a1', ['0000:03:00.0', '0000:0b:00.0']],
  ])('two Radeons with the unique ids %s and %s', async (first, second, expected) => {
    const root = scratchFolder();
    cpSync(join(SYSFS, 'two-radeons'), root, { recursive: true });
    for (const [card, id] of [first, second].entries()) {
      writeFileSync(join(root, `class/drm/card${card}/device/unique_id`), `${id}\n`);
    }
    const read = await createAmdgpu(root).read(undefined, never);
    expect(read.ok && [...new Set(read.value.map(({ uuid }) => uuid))]).toEqual(expected);
  });

  it('an APU: with both pools', async () => {
    const card = {
      gpu: '1',
      uuid: '0000:c5:00.0',
      name: 'AMD 1002:1586',
      pciAddress: '0000:c5:00.0',
      integrated: true,
    };
    expect(await amd('strix-halo')).toEqual({
      ok: true,
      value: [
        { ...card, pool: 'vram', totalBytes: 536_870_912, usedBytes: 170_479_616 },
        { ...card, pool: 'gtt', totalBytes: 133_143_986_176, usedBytes: 64_424_509_440 },
      ],
    });
  });

  it.each<[string, Record<string, string | Buffer>, boolean]>([
    ['gpu_metrics 2.4', { gpu_metrics: Buffer.from([0x80, 0, 2, 4]) }, true],
    ['gpu_metrics 3.0', { gpu_metrics: Buffer.from([0x0c, 1, 3, 0]) }, true],
    ['gpu_metrics 1.3', { gpu_metrics: Buffer.from([0x78, 0, 1, 3]) }, false],
    ['board_info', { board_info: 'type : cem\n', gpu_metrics: Buffer.from([0, 0, 2, 0]) }, false],
    ['the vendor of its memory', { mem_info_vram_vendor: 'samsung\n' }, false],
    ['vram that the processor sees in full', { mem_info_vis_vram_total: '8589934592\n' }, true],
    ['vram that the processor sees in part', { mem_info_vis_vram_total: '268435456\n' }, false],
    ['nothing', {}, false],
  ])('an AMD card is an APU by what its driver tells, not by sizes: %s', async (_, files, isApu) => {
    const root = scratchFolder();
    const device = join(root, 'class/drm/card1/device');
    mkdirSync(device, { recursive: true });
    const common = {
      vendor: '0x1002\n',
      mem_info_vram_total: '8589934592\n',
      uevent: 'PCI_SLOT_NAME=0000:c5:00.0\n',
    };
    for (const [name, content] of Object.entries({ ...common, ...files })) {
      writeFileSync(join(device, name), content);
    }
    expect(await createAmdgpu(root).read(undefined, never)).toMatchObject({ value: [{ integrated: isApu }] });
  });

  it('Intel: without used memory', async () => {
    const arc = {
      gpu: '0',
      uuid: '0000:03:00.0',
      name: 'Intel 8086:E20B',
      pciAddress: '0000:03:00.0',
      integrated: false,
    };
    const own = {
      gpu: '1',
      uuid: '0000:00:02.0',
      name: 'Intel 8086:4680',
      pciAddress: '0000:00:02.0',
      integrated: true,
    };
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

  it('a process that cannot be read costs its own allocations only', async () => {
    const root = closed('7/fdinfo');
    mkdirSync(join(root, '8/fdinfo'), { recursive: true });
    cpSync(join(SYSFS, '..', 'fdinfo', 'amdgpu'), join(root, '8/fdinfo/3'));
    const read = await asNobody(() => createDrmFdinfo(root).read({ own: [7, 8], others: [] }, never));
    expect(read).toMatchObject({
      value: [
        { pid: 8, pool: 'vram' },
        { pid: 8, pool: 'gtt' },
      ],
      notes: { fault: expect.stringMatching(/7\/fdinfo: EACCES/) },
    });
  });

  it('a process has the allocations of its clients, each counted once however many files it has', async () => {
    const machine = aMachine();
    machine.run({ pid: 7, args: modelArgs('qwen', 1), fdinfo: ['plain-file', 'amdgpu', 'amdgpu', 'xe'] });
    expect(await createDrmFdinfo(machine.procfs).read({ own: [7, 8], others: [] }, never)).toMatchObject({
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
  const reading = anNvidiaSmi('/nowhere/nvidia-smi').read(undefined, patience.signal);
  patience.abort();
  expect((await reading).ok).toBe(false);
});

it('a program name with a zero byte is a fault', async () => {
  const read = await anNvidiaSmi('nvidia\0smi').read(undefined, never);
  expect(read).toEqual({ ok: false, fault: 'cannot start: ERR_INVALID_ARG_VALUE' });
});

it('a killed program leaves nothing running', async () => {
  const patience = new AbortController();
  const before = process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
  const reading = anNvidiaSmi(playRecording('hang')).read(undefined, patience.signal);
  patience.abort();
  await reading;
  const left = () => process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
  await until('it to be gone', () => left() <= before);
});
