import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { attribute, type Evidence, type MeasuredPool } from '../../src/memory/owners.ts';
import { findParents, type RouterView } from '../../src/memory/parents.ts';
import type { Holding, ModelProcess, ParentProcess, Usage } from '../../src/memory/reading.ts';

const GIB = 1024 ** 3;
const isOurHost = (host: string) => host === 'localhost';
const CARD: MeasuredPool = {
  ...{ gpu: '0', uuid: 'GPU-0', name: 'RTX', pool: 'vram' },
  ...{ totalBytes: 24 * GIB, usedBytes: 20 * GIB, tellsHoldings: true },
};
const { tellsHoldings: _, ...PUBLISHED } = CARD;

function aRouter({
  name = 'box',
  url = 'http://localhost:8080',
  ...more
}: Partial<RouterView> = {}): RouterView {
  const models = ['qwen', 'gemma'].map((id) => ({ id, aliases: [], isRunning: false }));
  return { name, url, local: 'auto', models, ...more };
}

function aProcess(
  pid: number,
  alias: string,
  { port = 40_000 + pid, startTicks = pid * 10, parent = 1 } = {},
): ModelProcess {
  return { pid, startTicks, alias, port, parent: { pid: parent, startTicks: parent } };
}

function aUsage({ pid, startTicks }: ModelProcess): Usage {
  return { pid, startTicks, residentBytes: GIB, cpuSeconds: pid };
}

const holds = (pid: number, gib: number | undefined, uuid = 'GPU-0'): Holding => {
  return { pid, uuid, pool: 'vram', ...(gib !== undefined && { bytes: gib * GIB }) };
};

/** One router, found at process 1. All processes were there before and after, unless said otherwise. */
function evidence({ models = [], ...more }: Partial<Evidence> = {}): Evidence {
  return {
    routers: [aRouter()],
    parents: new Map([['http://localhost:8080', { pid: 1, startTicks: 1 }]]),
    formerParents: new Map(),
    seesProcesses: true,
    before: models,
    models,
    usages: models.map(aUsage),
    pools: [CARD],
    holdings: [],
    isConfined: false,
    isOurHost,
    ...more,
  };
}

const owned = (process: ModelProcess, more: object) => {
  return {
    router: 'box',
    model: process.alias,
    residentBytes: GIB,
    processes: [aUsage(process)],
    gpus: [],
    ...more,
  };
};
const share = (gib: number) => [{ uuid: 'GPU-0', pool: 'vram', bytes: gib * GIB }];

describe('memory is attributed', () => {
  const [qwen, gemma] = [aProcess(7, 'qwen'), aProcess(8, 'gemma')];

  it('to the models, and the rest of the card to nobody of ours', () => {
    const holdings = [holds(7, 5), holds(8, 9), holds(99, 3)];
    expect(attribute(evidence({ models: [qwen, gemma], holdings }))).toEqual({
      gpus: [{ ...PUBLISHED, unownedBytes: 6 * GIB }],
      models: [owned(qwen, { gpus: share(5) }), owned(gemma, { gpus: share(9) })],
      here: ['box'],
      hidden: [],
    });
  });

  it('on a machine without a GPU: what they use of the machine', () => {
    expect(attribute(evidence({ models: [qwen], pools: [] }))).toMatchObject({
      gpus: [],
      models: [owned(qwen, {})],
    });
  });

  it('summed over the instances of a divided card', () => {
    const { models } = attribute(evidence({ models: [qwen], holdings: [holds(7, 5), holds(7, 2)] }));
    expect(models).toEqual([owned(qwen, { gpus: share(7) })]);
  });

  it('summed over two processes of a model, while the old one ends', () => {
    const next = aProcess(9, 'qwen');
    const { models } = attribute(evidence({ models: [qwen, next], holdings: [holds(7, 5), holds(9, 2)] }));
    expect(models).toEqual([
      owned(qwen, { residentBytes: 2 * GIB, processes: [aUsage(qwen), aUsage(next)], gpus: share(7) }),
    ]);
  });

  it('under the id of the model when the process bears its alias, or only its port tells', () => {
    const models = [
      { id: 'qwen', aliases: ['default'], isRunning: true },
      { id: 'renamed', aliases: [], isRunning: true, port: 40_008 },
    ];
    const given = { routers: [aRouter({ models })], models: [aProcess(7, 'default'), aProcess(8, 'gemma')] };
    expect(attribute(evidence(given)).models.map(({ model }) => model)).toEqual(['qwen', 'renamed']);
  });

  it('to no model that the router does not list, but not to strangers either', () => {
    const given = { models: [aProcess(7, 'gone')], holdings: [holds(7, 5)] };
    expect(attribute(evidence(given))).toMatchObject({ models: [], gpus: [{ unownedBytes: 15 * GIB }] });
  });

  it('once, when a router is configured under two addresses', () => {
    const routers = [aRouter(), aRouter({ name: 'again', url: 'http://127.0.0.1:8080' })];
    const parents = new Map(routers.map(({ url }) => [url, { pid: 1, startTicks: 1 }]));
    const read = attribute(evidence({ routers, parents, models: [qwen], holdings: [holds(7, 5)] }));
    expect(read.models.map(({ router }) => router)).toEqual(['box', 'again']);
    expect(read.gpus[0]?.unownedBytes).toBe(15 * GIB);
  });
});

describe('unowned memory', () => {
  const qwen = aProcess(7, 'qwen');
  const running = [{ id: 'qwen', aliases: [], isRunning: true }];
  const unowned = (more: Partial<Evidence>) => attribute(evidence(more)).gpus[0]?.unownedBytes;
  const unfound = (router: Partial<RouterView>, more: Partial<Evidence> = {}) =>
    unowned({ routers: [aRouter({ models: running, ...router })], parents: new Map(), ...more });

  it.each<[string, number | undefined, number | undefined]>([
    ['is all that is used when nothing of ours is there', unowned({}), 20],
    ['is never below zero', unowned({ models: [qwen], holdings: [holds(7, 21)] }), 0],
    [
      'is not known when a share of ours is not',
      unowned({ models: [qwen], holdings: [holds(7, undefined)] }),
      undefined,
    ],
    [
      'is known when only a share of others is not',
      unowned({ models: [qwen], holdings: [holds(99, undefined)] }),
      20,
    ],
    [
      'is not known when nobody tells shares',
      unowned({ pools: [{ ...CARD, tellsHoldings: false }] }),
      undefined,
    ],
    ['is not known when the processes cannot be read', unowned({ seesProcesses: false }), undefined],
    [
      'is not known while a model of ours ends',
      unowned({ before: [qwen], models: [], holdings: [holds(7, 5)] }),
      undefined,
    ],
    [
      'is not known while a router of ours ends',
      unowned({
        ...{ before: [qwen], models: [], holdings: [holds(7, 5)], parents: new Map() },
        formerParents: new Map([['http://localhost:8080', { pid: 1, startTicks: 1 }]]),
      }),
      undefined,
    ],
    [
      'is not known while a model of ours begins',
      unowned({ before: [], models: [qwen], usages: [aUsage(qwen)], holdings: [holds(7, 5)] }),
      undefined,
    ],
    ['is not known when a router of this machine has models that are not seen', unfound({}), undefined],
    [
      'is not known when a router may be in another container',
      unfound({ url: 'http://llama:8080' }, { isConfined: true }),
      undefined,
    ],
    ['is known when the router is elsewhere', unfound({ url: 'http://gpu-box:8080' }), 20],
    ['is known when somebody says that it is elsewhere', unfound({ local: 'no' }), 20],
  ])('%s', (_, bytes, gib) => expect(bytes).toBe(gib === undefined ? undefined : gib * GIB));

  it('of shared memory is what the machine has in use and no model holds', () => {
    const pool: MeasuredPool = { gpu: '0', uuid: 'GPU-0', name: 'GB10', pool: 'host', tellsHoldings: true };
    const host = { totalBytes: 120 * GIB, availableBytes: 50 * GIB };
    const holdings: Holding[] = [{ pid: 7, uuid: 'GPU-0', pool: 'host', bytes: 60 * GIB }];
    expect(attribute(evidence({ models: [qwen], pools: [pool], holdings, host })).gpus).toMatchObject([
      { totalBytes: 120 * GIB, usedBytes: 70 * GIB, unownedBytes: 10 * GIB },
    ]);
    expect(attribute(evidence({ pools: [pool] })).gpus).toEqual([
      { gpu: '0', uuid: 'GPU-0', name: 'GB10', pool: 'host' },
    ]);
  });
});

describe('a number that was given to another process', () => {
  const now = aProcess(7, 'qwen', { startTicks: 500 });

  it('says nothing of what the driver told under it', () => {
    const earlier = aProcess(7, 'gemma', { startTicks: 70 });
    const read = attribute(
      evidence({ before: [earlier], models: [now], usages: [aUsage(now)], holdings: [holds(7, 5)] }),
    );
    expect(read.models).toEqual([owned(now, {})]);
    expect(read.gpus).toEqual([PUBLISHED]);
  });

  it('takes nothing from a parent that is not the router', () => {
    const child = { ...now, parent: { pid: 1, startTicks: 2 } };
    expect(attribute(evidence({ models: [child] })).models).toEqual([]);
  });
});

describe('the process of a router', () => {
  const aParent = (pid: number, listens?: number[]): ParentProcess => ({
    pid,
    startTicks: pid,
    ...(listens && { listens }),
  });
  const told = [{ id: 'qwen', aliases: [], isRunning: true, port: 40_007 }];
  const inContainer = aRouter({ url: 'http://llama:8080', models: told });
  const find = (
    router: RouterView,
    parents: ParentProcess[],
    models: ModelProcess[] = [],
    before: readonly (readonly [string, { pid: number; startTicks: number }])[] = [],
  ) => findParents([router], parents, models, isOurHost, new Map(before)).get(router.url)?.pid;
  const child = (parent: number, alias = 'qwen', port = 40_007) => aProcess(port, alias, { port, parent });

  it.each<[string, number | undefined, number | undefined]>([
    ['listens at its URL', find(aRouter(), [aParent(1, [9090]), aParent(2, [8080])]), 2],
    [
      'listens at its URL, on the port that goes without saying',
      find(aRouter({ url: 'http://localhost' }), [aParent(2, [80])]),
      2,
    ],
    ['is not one that listens elsewhere', find(aRouter(), [aParent(1, [9090])]), undefined],
    [
      'is not here when its URL is elsewhere',
      find(aRouter({ url: 'http://gpu-box:8080' }), [aParent(1, [8080])]),
      undefined,
    ],
    [
      'is here when somebody says so',
      find(aRouter({ url: 'http://gpu-box:8080', local: 'yes' }), [aParent(1, [8080])]),
      1,
    ],
    [
      'is not here when somebody says so',
      find(aRouter({ local: 'no', models: told }), [aParent(1, [8080])], [child(1)]),
      undefined,
    ],
    [
      'is the parent of its models, port for port',
      find(inContainer, [aParent(1), aParent(2)], [child(2), child(1, 'qwen', 1)]),
      2,
    ],
    [
      'is not the parent of a model that it does not have',
      find(inContainer, [aParent(1)], [child(1), child(1, 'other', 5)]),
      undefined,
    ],
    [
      'is not told by a model that is not running',
      find(aRouter({ models: [] }), [aParent(1)], [child(1)]),
      undefined,
    ],
    [
      'is none of two that could be it',
      find(inContainer, [aParent(1), aParent(2)], [child(1), child(2)]),
      undefined,
    ],
    [
      'stays what it was',
      find(inContainer, [aParent(3)], [], [[inContainer.url, { pid: 3, startTicks: 3 }]]),
      3,
    ],
    [
      'is not what has its number now',
      find(inContainer, [aParent(3)], [], [[inContainer.url, { pid: 3, startTicks: 2 }]]),
      undefined,
    ],
    [
      'is rather what listens now than what it was',
      find(
        aRouter(),
        [aParent(3, [1]), aParent(4, [8080])],
        [],
        [[aRouter().url, { pid: 3, startTicks: 3 }]],
      ),
      4,
    ],
  ])('%s', (_, pid, expected) => expect(pid).toBe(expected));
});

describe('whatever happens', () => {
  const pid = fc.integer({ min: 1, max: 6 });
  const ticks = fc.integer({ min: 1, max: 3 });
  const alias = fc.constantFrom('qwen', 'gemma', 'stranger');
  const process = fc
    .record({
      pid,
      startTicks: ticks,
      alias,
      port: fc.constantFrom(40_001, 40_002),
      parent: fc.record({ pid, startTicks: ticks }),
    })
    .map((made): ModelProcess => made);
  const processes = fc.uniqueArray(process, { selector: (made) => made.pid, maxLength: 6 });
  const holding = fc.record({
    pid,
    uuid: fc.constantFrom('GPU-0', 'GPU-1'),
    bytes: fc.option(fc.nat(), { nil: undefined }),
  });
  const given = fc.record({
    before: processes,
    models: processes,
    used: fc.nat(),
    holdings: fc.array(holding, { maxLength: 8 }),
    parent: fc.record({ pid, startTicks: ticks }),
    measured: fc.array(fc.record({ pid, startTicks: ticks }), { maxLength: 6 }),
  });

  it('nothing is attributed to a process that was not the same throughout, and shares and rest add up', () => {
    fc.assert(
      fc.property(given, ({ before, models, used, holdings, parent, measured }) => {
        const usages = measured.map((id): Usage => ({ ...id, cpuSeconds: 1 }));
        const all: Holding[] = holdings.map(({ bytes, ...held }) => ({
          ...held,
          pool: 'vram',
          ...(bytes !== undefined && { bytes }),
        }));
        const pools = [{ ...CARD, usedBytes: used }];
        const parents = new Map([['http://localhost:8080', parent]]);
        const read = attribute(evidence({ before, models, usages, holdings: all, pools, parents }));

        const same = (one: { pid: number; startTicks: number }, other: { pid: number; startTicks: number }) =>
          one.pid === other.pid && one.startTicks === other.startTicks;
        const ours = models.filter(
          (each) => same(each.parent, parent) && usages.some((usage) => same(usage, each)),
        );
        for (const model of read.models) {
          for (const each of model.processes) expect(ours.some((one) => same(one, each))).toBe(true);
          const sure = ours.filter(
            (one) => one.alias === model.model && before.some((each) => same(each, one)),
          );
          for (const gpu of model.gpus) {
            const told = all.filter(
              (each) => each.uuid === gpu.uuid && sure.some((one) => one.pid === each.pid),
            );
            expect(gpu.bytes).toBe(told.reduce((sum, { bytes }) => sum + (bytes ?? Number.NaN), 0));
          }
        }
        const unowned = read.gpus[0]?.unownedBytes;
        if (unowned === undefined) return;
        const owners = new Set(models.filter((each) => same(each.parent, parent)).map((each) => each.pid));
        const held = all
          .filter((each) => each.uuid === 'GPU-0' && owners.has(each.pid))
          .reduce((sum, { bytes }) => sum + (bytes ?? Number.NaN), 0);
        expect(unowned).toBe(Math.max(0, used - held));
      }),
      { numRuns: 1000 },
    );
  });
});
