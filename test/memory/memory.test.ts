import { describe, expect, it } from '@jest/globals';
import { collectMemory } from '../../src/collectors/memory.ts';
import { createScrape } from '../../src/collectors/scrape.ts';
import { createCpuAccount } from '../../src/memory/cpu-account.ts';
import { startMemory } from '../../src/memory/memory.ts';
import { createRouterMemory } from '../../src/memory/router-memory.ts';
import { aReading } from '../support/a-reading.ts';
import { createSteppedClock, settled } from '../support/stepped-clock.ts';

/** Memory whose measurements take `ms`, which can be changed; `starts` are their starting times. */
function measuring() {
  const clock = createSteppedClock();
  const duration = { ms: 100 };
  const startedAt = clock.now();
  const starts: number[] = [];
  let active = 0;
  const memory = startMemory(
    {
      intervalMs: 5000,
      timeoutMs: 1000,
      async measure() {
        starts.push(clock.now() - startedAt);
        active += 1;
        expect(active).toBe(1);
        await new Promise<void>((resolve) => clock.after(duration.ms, resolve));
        active -= 1;
        return aReading({ at: clock.now(), reports: [{ collector: 'host', seconds: duration.ms / 1000 }] });
      },
    },
    clock,
  );
  const readAt = () => {
    const reading = memory.reading();
    return reading && reading.at - startedAt;
  };
  return { clock, memory, duration, starts, readAt };
}

describe('memory readings', () => {
  it('start at once, and an interval after the end of the last one', async () => {
    const { clock, starts, readAt } = measuring();
    expect(readAt()).toBeUndefined();
    await clock.advance(100);
    expect(readAt()).toBe(100);
    await clock.advance(5100);
    expect([starts, readAt()]).toEqual([[0, 5100], 5200]);
  });

  it('are not published once a measurement hangs and the last reading is too old', async () => {
    const { clock, memory, duration } = measuring();
    const scrape = createScrape([collectMemory(memory)]);
    const published = () => scrape('text').join('') !== '';
    await clock.advance(100);
    duration.ms = Number.POSITIVE_INFINITY;
    await clock.advance(14_000);
    expect(published()).toBe(true);
    await clock.advance(1);
    expect(published()).toBe(false);
  });

  it('do not expire when the wall clock is set', async () => {
    const { clock, readAt } = measuring();
    await clock.advance(100);
    for (const shiftMs of [86_400_000, -86_400_000]) {
      clock.set(clock.wall() + shiftMs);
      expect(readAt()).toBe(100);
    }
  });

  it('start at once on request', async () => {
    const { clock, memory, starts } = measuring();
    await clock.advance(1000);
    const fresh = memory.fresh(3000);
    await clock.advance(100);
    expect([starts, await fresh]).toEqual([[0, 1000], memory.reading()]);
  });

  it('that began before a request do not answer it; the next one answers all requests', async () => {
    const { clock, memory, starts } = measuring();
    await clock.advance(50);
    const both = Promise.all([memory.fresh(3000), memory.fresh(3000)]);
    await clock.advance(150);
    expect([starts, await both]).toEqual([
      [0, 100],
      [memory.reading(), memory.reading()],
    ]);
  });

  it('that take too long leave a request without a reading', async () => {
    const { clock, memory, duration } = measuring();
    await clock.advance(1000);
    duration.ms = 10_000;
    const fresh = memory.fresh(3000);
    await clock.advance(3000);
    expect(await fresh).toBeUndefined();
  });

  it('end with stop, pending and later requests included, and leave no timer', async () => {
    const { clock, memory } = measuring();
    await clock.advance(50);
    const fresh = memory.fresh(60_000);
    const stopped = memory.stop();
    await clock.advance(50);
    await stopped;
    expect([await fresh, await memory.fresh(60_000)]).toEqual([undefined, undefined]);
    await settled();
    expect(clock.pending()).toBe(0);
  });
});

describe('CPU time of a model', () => {
  const used = (pid: number, cpuSeconds: number) => ({ pid, startTicks: pid, cpuSeconds });

  it('continues with its next process and never decreases', () => {
    const add = createCpuAccount();
    expect(add('box', 'qwen', [used(1, 10)])).toBe(10);
    expect(add('box', 'qwen', [used(1, 12)])).toBe(12);
    expect(add('box', 'qwen', [used(2, 1)])).toBe(13);
    expect(add('box', 'qwen', [used(2, 3), used(1, 12.5)])).toBe(15.5);
    expect(add('box', 'qwen', [used(2, 2)])).toBe(15.5);
    expect(add('box', 'qwen', [])).toBe(15.5);
    expect(add('attic', 'qwen', [used(3, 1)])).toBe(1);
  });

  it('continues over any number of processes', () => {
    const add = createCpuAccount();
    let sum = 0;
    for (let pid = 1; pid <= 100; pid += 1) sum = add('box', 'qwen', [used(pid, 1)]);
    expect(sum).toBe(100);
  });

  it('is forgotten after 2,000 other models', () => {
    const add = createCpuAccount();
    for (let model = 0; model <= 2000; model += 1) add('box', `model-${model}`, [used(1, 5)]);
    expect(add('box', 'model-2000', [used(2, 1)])).toBe(6);
    expect(add('box', 'model-0', [used(2, 1)])).toBe(1);
  });
});

describe('GPUs of a router', () => {
  const gpu = (uuid: string, usedBytes: number) =>
    ({ gpu: '0', uuid, name: 'RTX', pool: 'vram', totalBytes: 100, usedBytes }) as const;
  const on = (router: string, model: string, uuid: string, bytes: number) =>
    ({ router, model, cpuSeconds: 0, gpus: [{ uuid, pool: 'vram', bytes }] }) as const;
  const gpus = [gpu('a', 50), gpu('b', 70)];
  const read = (memory: ReturnType<typeof createRouterMemory>, more: Parameters<typeof aReading>[0]) => {
    const reading = aReading({ here: ['box'], gpus, ...more });
    memory.observe(reading);
    const of = memory.of('box', reading);
    return of && [of.usedBytes, of.totalBytes, of.ofModel('qwen')];
  };

  it('are all of the machine until its models are seen, then theirs', () => {
    const memory = createRouterMemory();
    expect(read(memory, {})).toEqual([120, 200, undefined]);
    expect(read(memory, { models: [on('box', 'qwen', 'a', 30), on('attic', 'qwen', 'b', 60)] })).toEqual([
      50, 100, 30,
    ]);
    expect(read(memory, {})).toEqual([50, 100, undefined]);
    expect(read(memory, { models: [on('box', 'gemma', 'b', 1)] })).toEqual([120, 200, undefined]);
  });

  it('do not include system memory, unless the card has no other', () => {
    const memory = createRouterMemory();
    const shares = [
      { uuid: 'a', pool: 'vram', bytes: 40 },
      { uuid: 'a', pool: 'gtt', bytes: 1 },
    ] as const;
    const pools = [gpu('a', 50), { ...gpu('a', 3), pool: 'gtt', totalBytes: 500 } as const];
    const models = [{ router: 'box', model: 'qwen', cpuSeconds: 0, gpus: shares }];
    expect(read(memory, { gpus: pools, models })).toEqual([50, 100, 40]);
    const apu = pools.map((pool) => ({ ...pool, integrated: true }));
    expect(read(memory, { gpus: apu, models })).toEqual([53, 600, 41]);
  });

  it('are unknown on another machine, without a GPU, and without usage', () => {
    const memory = createRouterMemory();
    expect(read(memory, { here: [] })).toBeUndefined();
    expect(read(memory, { gpus: [] })).toBeUndefined();
    expect(read(memory, { gpus: [{ ...gpu('a', 1), usedBytes: undefined }] })).toBeUndefined();
  });
});
