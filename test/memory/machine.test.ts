import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.ts';
import { createMachine } from '../../src/memory/machine.ts';
import { type Memory, startMemory } from '../../src/memory/memory.ts';
import type { RouterProcessHint } from '../../src/memory/parents.ts';
import type { MemoryReading } from '../../src/memory/reading.ts';
import { asNobody } from '../support/as-nobody.ts';
import { playRecording } from '../support/fake-nvidia-smi.ts';
import { aMachine, type Machine, type MadeProcess, modelArgs } from '../support/machine.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const MIB = 1024 * 1024;
let machine: Machine;
let memory: Memory | undefined;

beforeEach(() => {
  machine = aMachine();
});
afterEach(async () => {
  await memory?.stop();
});

const model = (id: string) => ({ id, aliases: [], isRunning: true });
const BOX: RouterProcessHint = {
  name: 'box',
  url: 'http://localhost:8080',
  local: 'auto',
  isListed: true,
  models: [model('qwen'), model('gemma')],
};

/** Runs the models of a router as processes 4101 and 4150, which are in the recordings. */
function runModels(more: Partial<MadeProcess> = {}): void {
  machine.listen({ 8080: 31 });
  machine.run({ pid: 4100, startTicks: 10, args: ['llama-server'], sockets: [31] });
  const child = { parent: 4100, residentBytes: 700 * MIB, cpuTicks: 150, ...more };
  machine.run({ pid: 4101, startTicks: 20, args: modelArgs('qwen', 40_001), ...child });
  machine.run({ pid: 4150, startTicks: 30, args: modelArgs('gemma', 40_002), ...child });
}

function start(nvidiaSmi: string, timeoutMs: number, sysfs = machine.sysfs, router = BOX): Memory {
  const { procfs } = machine;
  const measure = createMachine(
    { procfs, sysfs, nvidiaSmi, maxOthers: 2, timeoutMs, routers: () => [router] },
    systemClock,
  );
  return startMemory({ measure, intervalMs: 60_000, timeoutMs }, systemClock);
}

async function read(
  nvidiaSmi = '',
  { timeoutMs = 5000, sysfs = machine.sysfs } = {},
): Promise<MemoryReading> {
  memory = start(nvidiaSmi, timeoutMs, sysfs);
  const reading = await memory.fresh(10_000);
  if (!reading) throw new Error('no reading');
  return reading;
}

const faultsIn = ({ reports }: MemoryReading) =>
  Object.fromEntries(reports.flatMap(({ collector, fault }) => (fault ? [[collector, fault]] : [])));

const used = { residentBytes: 700 * MIB, cpuSeconds: 1.5 };

describe('a machine', () => {
  it('without a GPU has the usage of its models, and no fault', async () => {
    runModels();
    const { at: _, reports, ...found } = await read(playRecording('no-devices'));
    expect(found).toEqual({
      gpus: [],
      others: [],
      models: [
        { router: 'box', model: 'qwen', ...used, gpus: [] },
        { router: 'box', model: 'gemma', ...used, gpus: [] },
      ],
      routers: [{ router: 'box', residentBytes: 0, gpus: [] }],
      orphans: [],
      contained: [],
      cards: [],
      foreignPids: false,
      here: ['box'],
      hidden: [],
    });
    expect(reports.map(({ collector, fault }) => [collector, fault])).toEqual(
      ['nvidia-smi', 'amdgpu', 'intel', 'drm-fdinfo', 'processes', 'host'].map((name) => [name, undefined]),
    );
    expect(memory?.ofRouter('box')).toBeUndefined();
  });

  it('with two cards: a model on both, and other processes', async () => {
    runModels();
    const { gpus, models } = await read(playRecording('two-cards'));
    const [first, second] = [
      'GPU-5f0c8d1e-6c64-2f52-77a4-8d7c1d3a9b10',
      'GPU-a1b2c3d4-0e1f-4a2b-9c3d-4e5f60718293',
    ];
    expect(gpus.map(({ uuid, unownedBytes = -1 }) => [uuid, unownedBytes / MIB])).toEqual([
      [first, 21_050 - 18_022],
      [second, 8211 - 5120 - 2600],
    ]);
    expect(models.map(({ gpus }) => gpus.map(({ uuid, bytes }) => [uuid, bytes / MIB]))).toEqual([
      [
        [first, 18_022],
        [second, 5120],
      ],
      [[second, 2600]],
    ]);
    const box = memory?.ofRouter('box');
    expect([
      box?.usedBytes,
      box?.totalBytes,
      box?.ofModel('qwen'),
      box?.ofModel('gemma'),
      box?.ofModel('other'),
    ]).toEqual([
      (21_050 + 8211) * MIB,
      (24_576 + 49_140) * MIB,
      (18_022 + 5120) * MIB,
      2600 * MIB,
      undefined,
    ]);
    expect(memory?.ofRouter('attic')).toBeUndefined();
  });

  it('with a router of its own process on the card, and others by name', async () => {
    machine.listen({ 8080: 31 });
    machine.run({ pid: 816, startTicks: 10, args: ['llama-server'], sockets: [31] });
    machine.run({ pid: 852, parent: 816, args: modelArgs('qwen', 40_001) });
    machine.run({ pid: 858, parent: 816, args: modelArgs('gemma', 40_002) });
    machine.run({ pid: 646, comm: 'python3' });
    machine.run({ pid: 650, comm: 'a name\nwith (lines)' });
    const { gpus, routers, models, others } = await read(playRecording('h200'));
    const uuid = 'GPU-46a18be3-62a9-aaa7-d3f2-f48ef3f4adee';
    expect(routers).toMatchObject([{ router: 'box', gpus: [{ uuid, pool: 'vram', bytes: 7 * MIB }] }]);
    expect(models.map(({ gpus }) => gpus.map(({ bytes }) => bytes / MIB))).toEqual([[434], [434]]);
    expect(gpus).toMatchObject([{ unownedBytes: (3711 - 2 * 434 - 7) * MIB }]);
    expect(others).toEqual([
      { uuid, pid: 646, name: 'python3', bytes: 1634 * MIB },
      { uuid, pid: 650, name: 'a name\nwith (lines)', bytes: 1122 * MIB },
    ]);
  });

  it('whose driver warns keeps its values, without a fault', async () => {
    runModels();
    const { gpus, reports } = await read(playRecording('inforom'));
    expect(gpus.map(({ unownedBytes = -1 }) => unownedBytes / MIB)).toEqual([21_050 - 18_022, 8211 - 2600]);
    const warnings = ['exited with 14: WARNING: infoROM is corrupted at gpu 0000:0B:00.0'];
    expect(reports[0]).toMatchObject({ collector: 'nvidia-smi', warnings, malformed: 2 });
    expect(reports[0]?.fault).toBeUndefined();
  });

  it('with a lost card: a fault that names it, and the values of the others', async () => {
    runModels();
    const reading = await read(playRecording('one-lost'));
    expect(reading.gpus).toMatchObject([{ gpu: '0', unownedBytes: (21_050 - 18_022) * MIB }]);
    const fault = 'GPU 1 NVIDIA RTX A6000 (GPU-a1b2c3d4-0e1f-4a2b-9c3d-4e5f60718293) is lost: GPU is lost';
    expect(faultsIn(reading)).toEqual({ 'nvidia-smi': fault });
    expect(reading.cards.map(({ gpu, lost }) => [gpu, lost])).toEqual([
      ['0', undefined],
      ['1', 'GPU is lost'],
    ]);
  });

  it('from which all cards are gone: a fault, not silence', async () => {
    const program = playRecording('two-cards');
    expect((await read(program)).gpus).toHaveLength(2);
    copyFileSync(playRecording('no-devices'), program);
    const reading = await memory?.fresh(10_000);
    expect(reading?.gpus).toEqual([]);
    expect(reading?.reports[0]?.fault).toMatch(
      /^GPU 0 NVIDIA GeForce RTX 3090 \(GPU-5f0c.*\) is lost: the driver does not list it any more; GPU 1 NVIDIA RTX A6000/,
    );
  });

  it('with Jetson: system memory, whose unattributed part is unknown', async () => {
    runModels();
    const { gpus } = await read(playRecording('jetson'));
    const uuid = 'bbbe9f37-7028-556a-930b-54e5f3b67a82';
    expect(gpus).toMatchObject([{ uuid, pool: 'host', totalBytes: 65_536_000 * 1024 }]);
    expect(gpus[0]?.unownedBytes).toBeUndefined();
  });

  it('with two cards of the same uuid: two cards', async () => {
    runModels();
    const { gpus } = await read(playRecording('zero-uuids'));
    expect(gpus.map(({ uuid, unownedBytes = -1 }) => [uuid, unownedBytes / MIB])).toEqual([
      ['0000:0a:00.0', 20_000 - 18_022],
      ['0000:0b:00.0', 400],
    ]);
  });

  it('with an AMD card of Linux 5.14: shares by its old words', async () => {
    machine.listen({ 8080: 31 });
    machine.run({ pid: 4100, startTicks: 10, args: ['llama-server'], sockets: [31] });
    const fdinfo = ['amdgpu-5.14', 'amdgpu-5.14', 'plain-file'];
    machine.run({ pid: 4101, parent: 4100, args: modelArgs('qwen', 40_001), fdinfo });
    const files = { vram_total: 8_573_157_376, vram_used: 6e9, gtt_total: 16e9, gtt_used: 30_000_000 };
    const sysfs = scratchFolder();
    const device = join(sysfs, 'class/drm/card0/device');
    mkdirSync(device, { recursive: true });
    for (const [name, bytes] of Object.entries(files))
      writeFileSync(join(device, `mem_info_${name}`), `${bytes}\n`);
    writeFileSync(join(device, 'vendor'), '0x1002\n');
    writeFileSync(join(device, 'uevent'), 'PCI_SLOT_NAME=0000:08:00.0\n');
    const { gpus, models } = await read('', { sysfs });
    expect(models[0]?.gpus.map(({ pool, bytes }) => [pool, bytes])).toEqual([
      ['vram', 5_785_600_000],
      ['gtt', 20_480_000],
    ]);
    expect(gpus.map(({ unownedBytes }) => unownedBytes)).toEqual([214_400_000, 9_520_000]);
    expect(memory?.ofRouter('box')?.ofModel('qwen')).toBe(5_785_600_000);
  });

  it('with an AMD card: a process of another user that may be a router is no fault', async () => {
    runModels({ fdinfo: ['amdgpu'] });
    machine.run({ pid: 5000, args: ['llama-server', '-m', 'other.gguf'] });
    chmodSync(join(machine.procfs, '5000/fdinfo'), 0);
    chmodSync(machine.procfs, 0o755);
    const { sysfs } = aMachine({ sysfs: 'two-radeons' });
    expect(faultsIn(await asNobody(() => read('', { sysfs })))).toEqual({});
  });

  it('with an AMD card: other processes that have opened it', async () => {
    runModels();
    machine.run({ pid: 77, comm: 'comfyui', fdinfo: ['amdgpu'], devices: ['/dev/dri/renderD128'] });
    machine.run({ pid: 78, comm: 'editor', fdinfo: ['amdgpu'] });
    const { others } = await read('', { sysfs: aMachine({ sysfs: 'two-radeons' }).sysfs });
    expect(others).toEqual([{ uuid: '7f3a1c9b20e4d615', pid: 77, name: 'comfyui', bytes: 18_432 * MIB }]);
  });

  it('with a divided card: a model on two instances', async () => {
    runModels();
    const { gpus, models } = await read(playRecording('mig'));
    expect(gpus.map(({ unownedBytes = -1 }) => unownedBytes / MIB)).toEqual([
      0,
      34_076 - 14_353 - 9813 - 9871,
    ]);
    expect(models.map(({ gpus }) => gpus.map(({ bytes }) => bytes / MIB))).toEqual([[14_353 + 9813], [9871]]);
  });

  it('with a divided card of which only an instance is visible: its share is known, the card is not', async () => {
    runModels();
    const { gpus, models } = await read(playRecording('mig-instances'));
    const uuid = 'GPU-66666666-7777-8888-9999-aaaaaaaaaaaa';
    expect(gpus).toEqual([
      { gpu: '0', uuid, name: 'NVIDIA A100-SXM4-40GB', pool: 'vram', integrated: false },
    ]);
    expect(models[0]?.gpus).toEqual([
      { uuid: 'MIG-b60fa3b1-24b6-5b8e-9a5c-1c2d3e4f5a6b', pool: 'vram', bytes: 14_353 * MIB },
    ]);
  });

  it('with a GPU that shares system memory: the pool is system memory', async () => {
    runModels();
    const { gpus, models, others } = await read(playRecording('gb10'));
    expect(gpus).toEqual([
      {
        ...{ gpu: '0', uuid: 'GPU-2dee1e25-b3b5-007e-2b55-79f2d0f2ebe5', name: 'NVIDIA GB10', pool: 'host' },
        ...{ totalBytes: 65_536_000 * 1024, usedBytes: 32_768_000 * 1024, unownedBytes: 0, integrated: true },
      },
    ]);
    expect(others).toMatchObject([{ pid: 2210, name: '', bytes: 43 * MIB }]);
    expect(models.map(({ gpus }) => gpus.map(({ pool, bytes }) => [pool, bytes / MIB]))).toEqual([
      [['host', 61_440]],
      [],
    ]);
  });

  it('with the driver model of Windows: usage without attribution', async () => {
    runModels();
    const { gpus, models } = await read(playRecording('wddm'));
    expect(gpus).toMatchObject([{ totalBytes: 10_240 * MIB, usedBytes: 7935 * MIB }]);
    expect(gpus[0]?.unownedBytes).toBeUndefined();
    expect(models.map(({ gpus }) => gpus)).toEqual([[], []]);
  });

  it('with an APU: models are in both pools, which count together', async () => {
    runModels({ fdinfo: ['amdgpu-6.13'] });
    const strixHalo = aMachine({ sysfs: 'strix-halo' });
    const { gpus, models } = await read('', { sysfs: strixHalo.sysfs });
    expect(gpus.map(({ pool, usedBytes, unownedBytes }) => [pool, usedBytes, unownedBytes])).toEqual([
      ['vram', 170_479_616, 170_479_616 - 2 * 64 * MIB],
      ['gtt', 64_424_509_440, 0],
    ]);
    expect(models[0]?.gpus.map(({ pool, bytes }) => [pool, bytes / MIB])).toEqual([
      ['vram', 64],
      ['gtt', 60_928],
    ]);
    const box = memory?.ofRouter('box');
    expect([box?.usedBytes, box?.totalBytes]).toEqual([
      170_479_616 + 64_424_509_440,
      536_870_912 + 133_143_986_176,
    ]);
    expect(box?.ofModel('qwen')).toBe((64 + 60_928) * MIB);
  });

  it('while the driver hangs: a fault within the timeout, and all other readings', async () => {
    runModels();
    const startedAt = performance.now();
    const reading = await read(playRecording('hang'), { timeoutMs: 300 });
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect(faultsIn(reading)).toEqual({
      'nvidia-smi':
        'no response within 0.3 s; nvidia-smi was killed. If it is just slow, enable persistence mode (nvidia-smi -pm 1) or ' +
        'raise memory.timeout; if it never ends, the driver hangs: check `dmesg | grep -i nvrm`',
    });
    expect(reading.gpus).toEqual([]);
    expect(reading.models).toMatchObject([used, used]);
  });

  it('while the driver fails: no cards of that driver', async () => {
    runModels();
    const reading = await read(playRecording('driver-mismatch'));
    expect(reading.gpus).toEqual([]);
    expect(Object.keys(faultsIn(reading))).toEqual(['nvidia-smi']);
  });

  it('with a llama-swap: a model has the memory of its shell and of the llama-server below, each once', async () => {
    machine.listen({ 8080: 31 });
    machine.run({ pid: 4100, startTicks: 10, args: ['llama-swap'], sockets: [31] });
    machine.run({ pid: 4101, parent: 4100, args: ['sh', 'run.sh', '5801'], residentBytes: MIB });
    machine.run({ pid: 4102, parent: 4101, args: modelArgs('gemma', 5801), residentBytes: 700 * MIB });
    const models = [{ ...model('qwen'), command: 'sh run.sh 5801', port: 5801 }, model('gemma')];
    memory = start('', 5000, machine.sysfs, { ...BOX, models });
    const reading = await memory.fresh(10_000);
    expect(reading?.models).toMatchObject([{ model: 'qwen', residentBytes: 701 * MIB }]);
  });

  it('of a router whose processes are not visible: hidden, and unattributed memory is unknown', async () => {
    const { gpus, models, here, hidden } = await read(playRecording('two-cards'));
    expect([models, here, hidden]).toEqual([[], ['box'], ['box']]);
    for (const gpu of gpus) expect(gpu.unownedBytes).toBeUndefined();
  });

  it('forgets the process of a router in another container when it has ended', async () => {
    runModels();
    const models = BOX.models.map((each, index) => ({ ...each, port: 40_001 + index }));
    memory = start('', 5000, machine.sysfs, { ...BOX, url: 'http://llama:8080', models });
    expect((await memory.fresh(10_000))?.here).toEqual(['box']);
    for (const pid of [4100, 4101, 4150]) machine.end(pid);
    expect((await memory.fresh(10_000))?.here).toEqual([]);
  });

  it('stops at once, even while a source hangs', async () => {
    memory = start(playRecording('hang'), 60_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const startedAt = performance.now();
    await memory.stop();
    expect(performance.now() - startedAt).toBeLessThan(20_000); // Its timeout is a minute.
  });
});
