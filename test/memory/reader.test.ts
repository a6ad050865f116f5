import { describe, expect, it } from '@jest/globals';
import { createCpuAccount } from '../../src/memory/cpu-account.ts';
import { startReader } from '../../src/memory/reader.ts';
import { createRouterMemory } from '../../src/memory/router-memory.ts';
import { aReading } from '../support/a-reading.ts';
import { createSteppedClock, settled } from '../support/stepped-clock.ts';

const INTERVAL_MS = 5000;
const KEEP_MS = 20_000;
const START = createSteppedClock().now();

/** A reading takes `takesMs` and says when it began. */
function reading({ takesMs = 100 } = {}) {
  const clock = createSteppedClock();
  const take = { ms: takesMs };
  let underWay = 0;
  let most = 0;
  const reader = startReader(
    {
      intervalMs: INTERVAL_MS,
      keepMs: KEEP_MS,
      async read() {
        const begunAt = clock.now() - START;
        underWay += 1;
        most = Math.max(most, underWay);
        await new Promise<void>((resolve) => clock.after(take.ms, resolve));
        underWay -= 1;
        return { at: clock.now(), begunAt };
      },
    },
    clock,
  );
  return { clock, reader, take, most: () => most };
}

describe('a reader', () => {
  it('reads at once, and an interval after the end of each reading', async () => {
    const { clock, reader } = reading();
    expect([reader.reading(), reader.version()]).toEqual([undefined, 0]);
    await clock.advance(100);
    expect([reader.reading(), reader.version()]).toEqual([{ begunAt: 0, at: START + 100 }, 1]);
    await clock.advance(5000);
    expect(reader.version()).toBe(1);
    await clock.advance(100);
    expect([reader.reading(), reader.version()]).toEqual([{ begunAt: 5100, at: START + 5200 }, 2]);
  });

  it('forgets a reading that no other follows: old is not new', async () => {
    const { clock, reader, take } = reading();
    await clock.advance(100);
    take.ms = 1_000_000;
    await clock.advance(KEEP_MS);
    expect(reader.reading()).toEqual({ begunAt: 0, at: START + 100 });
    await clock.advance(1);
    expect(reader.reading()).toBeUndefined();
  });

  it('measures now when it is asked to, not an interval later', async () => {
    const { clock, reader } = reading();
    await clock.advance(1000);
    const fresh = reader.fresh(3000);
    await clock.advance(100);
    expect(await fresh).toEqual({ begunAt: 1000, at: START + 1100 });
    expect(reader.reading()).toEqual({ begunAt: 1000, at: START + 1100 });
  });

  it('answers with nothing that was read before the question, and shares what follows', async () => {
    const { clock, reader, most } = reading();
    await clock.advance(50);
    const both = Promise.all([reader.fresh(3000), reader.fresh(3000)]);
    await clock.advance(150);
    expect(await both).toEqual([
      { begunAt: 100, at: START + 200 },
      { begunAt: 100, at: START + 200 },
    ]);
    expect(most()).toBe(1);
  });

  it('gives up when the time is up, and not what it has', async () => {
    const { clock, reader, take } = reading();
    await clock.advance(1000);
    take.ms = 10_000;
    const fresh = reader.fresh(3000);
    await clock.advance(3000);
    expect(await fresh).toBeUndefined();
  });

  it('ends for those who wait for a reading as well, and for those who come too late', async () => {
    const { clock, reader } = reading();
    await clock.advance(50);
    const fresh = reader.fresh(60_000);
    const ended = reader.stop();
    await clock.advance(50);
    await ended;
    expect([await fresh, await reader.fresh(60_000)]).toEqual([undefined, undefined]);
    expect(clock.pending()).toBe(0);
  });

  it('ends, and leaves no timer behind', async () => {
    const { clock, reader } = reading();
    await clock.advance(1000);
    await reader.stop();
    await settled();
    expect(clock.pending()).toBe(0);
  });
});

describe('the CPU time of a model', () => {
  const used = (pid: number, cpuSeconds: number) => ({ pid, startTicks: pid, cpuSeconds });

  it('goes on with its next process, and never back', () => {
    const { add } = createCpuAccount();
    expect(add('box', 'qwen', [used(1, 10)])).toBe(10);
    expect(add('box', 'qwen', [used(1, 12)])).toBe(12);
    expect(add('box', 'qwen', [used(2, 1)])).toBe(13);
    expect(add('box', 'qwen', [used(2, 3), used(1, 12.5)])).toBe(15.5);
    expect(add('box', 'qwen', [used(2, 2)])).toBe(15.5);
    expect(add('box', 'qwen', [])).toBe(15.5);
    expect(add('attic', 'qwen', [used(3, 1)])).toBe(1);
  });

  it('goes on over any number of processes', () => {
    const { add } = createCpuAccount();
    let sum = 0;
    for (let pid = 1; pid <= 100; pid += 1) sum = add('box', 'qwen', [used(pid, 1)]);
    expect(sum).toBe(100);
  });

  it('is forgotten of models that are gone for long, when there are very many', () => {
    const { add } = createCpuAccount();
    for (let model = 0; model <= 2000; model += 1) add('box', `model-${model}`, [used(1, 5)]);
    expect(add('box', 'model-2000', [used(2, 1)])).toBe(6);
    expect(add('box', 'model-0', [used(2, 1)])).toBe(1);
  });
});

describe('the GPUs of a router', () => {
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

  it('are all of the machine until one of its models is seen on one, and that one from then on', () => {
    const memory = createRouterMemory();
    expect(read(memory, {})).toEqual([120, 200, undefined]);
    expect(read(memory, { models: [on('box', 'qwen', 'a', 30), on('attic', 'qwen', 'b', 60)] })).toEqual([
      50, 100, 30,
    ]);
    expect(read(memory, {})).toEqual([50, 100, undefined]);
    expect(read(memory, { models: [on('box', 'gemma', 'b', 1)] })).toEqual([120, 200, undefined]);
  });

  it('are not what a card with memory of its own keeps in the machine’s', () => {
    const memory = createRouterMemory();
    const shares = [
      { uuid: 'a', pool: 'vram', bytes: 40 },
      { uuid: 'a', pool: 'gtt', bytes: 1 },
    ] as const;
    const pools = [gpu('a', 50), { ...gpu('a', 3), pool: 'gtt', totalBytes: 500 } as const];
    const models = [{ router: 'box', model: 'qwen', cpuSeconds: 0, gpus: shares }];
    expect(read(memory, { gpus: pools, models })).toEqual([50, 100, 41]);
  });

  it('are none elsewhere, without a GPU, or when a figure is not told', () => {
    const memory = createRouterMemory();
    expect(read(memory, { here: [] })).toBeUndefined();
    expect(read(memory, { gpus: [] })).toBeUndefined();
    expect(read(memory, { gpus: [{ ...gpu('a', 1), usedBytes: undefined } as never] })).toBeUndefined();
  });
});
