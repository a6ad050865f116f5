import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.ts';
import { createMachine } from '../../src/memory/machine.ts';
import type { RouterProcessHint } from '../../src/memory/parents.ts';
import { asNobody } from '../support/as-nobody.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { LIVING_CARD_TIMEOUT, playLivingCard } from '../support/fake-nvidia-smi.ts';
import { order } from '../support/orders.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const MEBIBYTE = 1024 * 1024;
const UUID = 'GPU-00000000-0000-0000-0000-00000000fa4e';
const BASE_MIB = 500;
/** The fake card counts every process with such a model on this machine: no other test may use them. */
const [MID, TINY_A, TINY_B] = ['mid', 'tiny-a', 'tiny-b'].map((name) => `${name}-${process.pid}`) as [
  string,
  string,
  string,
];
const MIB_OF_MID = 6000;
const MIB_OF_TINY = 1500;

describe('the memory of models of two routers on one machine', () => {
  let one: RealRouter;
  let other: RealRouter;
  let exporter: RunningExporter;

  beforeAll(async () => {
    one = await startRealRouter({ models: [TINY_A, MID] });
    other = await startRealRouter({ models: [TINY_A, TINY_B] });
    exporter = await startExporter([one.url, other.url], {
      'memory.interval': '1s',
      'memory.timeout': LIVING_CARD_TIMEOUT,
      'memory.nvidia-smi': playLivingCard({
        baseMiB: BASE_MIB,
        perModelMiB: { [MID]: MIB_OF_MID, [TINY_A]: MIB_OF_TINY, [TINY_B]: MIB_OF_TINY },
      }),
    });
  });
  afterAll(async () => {
    await exporter?.stop();
    await Promise.all([one?.stop(), other?.stop()]);
  });

  const labelsOf = (router: RealRouter, model: string) => ({ router: `127.0.0.1:${router.port}`, model });
  const resident = (router: RealRouter, model: string) =>
    exporter.value('llama_router_model_resident_memory_bytes', labelsOf(router, model));
  const cpu = (router: RealRouter, model: string) =>
    exporter.value('llama_router_model_cpu_seconds_total', labelsOf(router, model));
  const onGpu = (router: RealRouter, model: string) =>
    exporter.value('llama_router_model_gpu_memory_used_bytes', {
      ...labelsOf(router, model),
      gpu_uuid: UUID,
    });
  const gpu = (what: string) => exporter.value(`llama_router_gpu_memory_${what}_bytes`, { gpu_uuid: UUID });

  /** Within 20 %: what a reading during the load showed is replaced by the next one. */
  async function showsAsInProc(): Promise<boolean> {
    const [ours = 0, kernel] = [await resident(one, MID), residentOf(one.childPid(MID) ?? 0)];
    return Math.abs(ours - kernel) < 0.2 * kernel;
  }

  it('is absent for models that are not loaded, and the card is unattributed', async () => {
    await until('the card', async () => (await gpu('unowned')) === BASE_MIB * MEBIBYTE);
    expect(await resident(one, MID)).toBeUndefined();
    expect(await cpu(one, MID)).toBeUndefined();
    expect(await onGpu(one, MID)).toBeUndefined();
  });

  it('is published for the right model after the load', async () => {
    await complete(one, MID, { tokens: 50 });
    await until('mid to show as in /proc', showsAsInProc);
    expect(await cpu(one, MID)).toBeGreaterThan(0);
    expect(await onGpu(one, MID)).toBe(MIB_OF_MID * MEBIBYTE);
    expect(await resident(one, TINY_A)).toBeUndefined();
  });

  it('keeps the same model of two routers apart', async () => {
    await complete(other, TINY_A, { tokens: 1 });
    await until('tiny-a to show', async () => (await resident(other, TINY_A)) !== undefined);
    expect(await resident(one, TINY_A)).toBeUndefined();
    expect(await onGpu(other, TINY_A)).toBe(MIB_OF_TINY * MEBIBYTE);
    await complete(one, TINY_A, { tokens: 1 });
    await until('both to show', async () => (await resident(one, TINY_A)) !== undefined);
    expect(await gpu('used')).toBe((BASE_MIB + MIB_OF_MID + 2 * MIB_OF_TINY) * MEBIBYTE);
    expect(await gpu('unowned')).toBe(BASE_MIB * MEBIBYTE);
    expect(exporter.service.memory.ofRouter(labelsOf(other, '').router)).toMatchObject({
      usedBytes: (BASE_MIB + MIB_OF_MID + 2 * MIB_OF_TINY) * MEBIBYTE,
      totalBytes: 24_576 * MEBIBYTE,
    });
  });

  it('counts the CPU time of a model', async () => {
    const before = (await cpu(one, MID)) ?? 0;
    await complete(one, MID, { tokens: 200 });
    await until('it to be counted', async () => ((await cpu(one, MID)) ?? 0) > before + 0.1);
  });

  it('vanishes after the unload, at once with a reading on demand', async () => {
    await exporter.service.memory.fresh(30_000);
    const held = exporter.service.memory.ofRouter(labelsOf(one, '').router);
    expect(held?.ofModel(MID)).toBe(MIB_OF_MID * MEBIBYTE);
    const pid = one.childPid(MID) ?? 0;
    await order(one, 'unload', MID);
    await until('its process to end', () => one.childPid(MID) !== pid);
    expect((await exporter.service.memory.fresh(30_000))?.models.map(({ model }) => model)).not.toContain(
      MID,
    );
    expect(await resident(one, MID)).toBeUndefined();
    expect(await onGpu(one, MID)).toBeUndefined();
    const left = exporter.service.memory.ofRouter(labelsOf(one, '').router);
    expect(left?.ofModel(MID)).toBeUndefined();
    expect((held?.usedBytes ?? 0) - (left?.usedBytes ?? 0)).toBe(MIB_OF_MID * MEBIBYTE);
  });

  it('belongs to the new process after a crash and a load, and its counter goes on', async () => {
    await complete(one, MID, { tokens: 100 });
    await until('mid to show', async () => (await cpu(one, MID)) !== undefined);
    const [before, pid] = [(await cpu(one, MID)) ?? 0, one.childPid(MID)];
    await one.crash(MID);
    await until('it to vanish', async () => (await resident(one, MID)) === undefined);
    await complete(one, MID, { tokens: 1 });
    await until('it to be back as in /proc', showsAsInProc);
    expect(one.childPid(MID)).not.toBe(pid);
    expect(await cpu(one, MID)).toBeGreaterThan(before);
  });

  it('vanishes with a killed router, and is not unattributed afterwards', async () => {
    const before = (await gpu('used')) ?? 0;
    await other.kill();
    const wanted = before - MIB_OF_TINY * MEBIBYTE;
    await until('its memory to be free', async () => (await gpu('used')) === wanted);
    await exporter.untilValue('llama_router_up', { router: labelsOf(other, '').router }, 0);
    await until('it to be unattributed', async () => (await gpu('unowned')) === BASE_MIB * MEBIBYTE);
    expect(await resident(other, TINY_A)).toBeUndefined();
  });

  it('is found again after a restart of the router', async () => {
    await other.restart();
    await complete(other, TINY_B, { tokens: 1 });
    await until('tiny-b to show', async () => (await resident(other, TINY_B)) !== undefined);
    expect(await resident(other, TINY_A)).toBeUndefined();
    expect(await gpu('unowned')).toBe(BASE_MIB * MEBIBYTE);
  });
});

it('finds a router behind the port of another process by the ports of its models, as in a container', async () => {
  const router = await startRealRouter({ models: ['tiny-a', 'tiny-b'] });
  const proxy = await startTcpProxy(router.port);
  const url = `http://127.0.0.1:${proxy.port}`;
  await complete(router, 'tiny-a', { tokens: 1 });
  const exporter = await startExporter([url], { 'memory.interval': '500ms', 'memory.nvidia-smi': '' });
  const resident = (model: string) =>
    exporter.value('llama_router_model_resident_memory_bytes', { router: new URL(url).host, model });
  try {
    await until('tiny-a', () => resident('tiny-a'));
    expect(await exporter.scrape()).not.toContain('nvidia-smi');
    expect(await exporter.scrape()).not.toContain('llama_router_gpu_memory');
    // The router's process is known from the first model: no listing has shown the port of this model yet.
    await complete(router, 'tiny-b', { tokens: 1 });
    await until('tiny-b', () => resident('tiny-b'));
  } finally {
    await exporter.stop();
    await proxy.close();
    await router.stop();
  }
});

it('finds a router of another user, without access to its open files, by the ports of its models', async () => {
  const router = await startRealRouter({ models: ['tiny-a'] });
  try {
    await complete(router, 'tiny-a', { tokens: 1 });
    const listing = (await (await fetch(`${router.url}/models`)).json()) as {
      data: { id: string; status: { args: string[] } }[];
    };
    const args = listing.data[0]?.status.args ?? [];
    const models = [
      { id: 'tiny-a', aliases: [], isRunning: true, port: Number(args[args.indexOf('--port') + 1]) },
    ];
    const view = { name: 'box', url: router.url, local: 'auto' as const, isListed: true, models };
    const measureAs = (given: RouterProcessHint) => {
      const machine = {
        procfs: '/proc',
        sysfs: '/nowhere',
        nvidiaSmi: '',
        maxOthers: 5,
        timeoutMs: 30_000,
        routers: () => [given],
      };
      return asNobody(() => createMachine(machine, systemClock)(new AbortController().signal));
    };
    const found = await measureAs(view);
    expect(found.models).toMatchObject([
      { router: 'box', model: 'tiny-a', residentBytes: expect.any(Number) },
    ]);
    const untold = await measureAs({ ...view, models: [{ id: 'tiny-a', aliases: [], isRunning: true }] });
    expect([untold.models, untold.hidden]).toEqual([[], ['box']]);
  } finally {
    await router.stop();
  }
});

function residentOf(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibibytes) * 1024;
}
