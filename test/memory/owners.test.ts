import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { attribute, type Measurement } from '../../src/memory/owners.ts';
import { findParents, type RouterProcessHint } from '../../src/memory/parents.ts';
import type {
  Allocation,
  MeasuredPool,
  ModelProcess,
  ParentProcess,
  ProcessUsage,
} from '../../src/memory/reading.ts';

const GIB = 1024 ** 3;
const isOwnHost = (host: string) => host === 'localhost';
const CARD: MeasuredPool = {
  ...{ gpu: '0', uuid: 'GPU-0', name: 'RTX', pool: 'vram' },
  ...{ totalBytes: 24 * GIB, usedBytes: 20 * GIB, hasAllocations: true },
};
const { hasAllocations: _, ...card } = CARD;
const PUBLISHED = { ...card, unownedBytes: undefined };
const ROUTER = { pid: 1, startTicks: 1 };
const ROUTER_USAGE = { ...ROUTER, residentBytes: GIB, cpuSeconds: 9 };

function aRouter({
  name = 'box',
  url = 'http://localhost:8080',
  ...more
}: Partial<RouterProcessHint> = {}): RouterProcessHint {
  const models = ['qwen', 'gemma'].map((id) => ({ id, aliases: [], isRunning: false }));
  return { name, url, local: 'auto', isListed: true, models, ...more };
}

function aProcess(
  pid: number,
  alias: string,
  { port = 40_000 + pid, startTicks = pid * 10, parent = 1 } = {},
): ModelProcess {
  return { pid, startTicks, alias, port, parent: { pid: parent, startTicks: parent } };
}

function aUsage({ pid, startTicks }: ModelProcess): ProcessUsage {
  return { pid, startTicks, residentBytes: GIB, cpuSeconds: pid };
}

const allocates = (pid: number, gib: number | undefined, uuid = 'GPU-0'): Allocation => {
  return { pid, uuid, pool: 'vram', bytes: gib === undefined ? undefined : gib * GIB };
};

/** One router, found as process 1; by default all processes are the same before and after. */
function measurement({ models = [], ...more }: Partial<Measurement> = {}): Measurement {
  return {
    routers: [aRouter()],
    parents: new Map([['http://localhost:8080', ROUTER]]),
    formerParents: new Map(),
    seesProcesses: true,
    models,
    orphans: [],
    started: new Set(),
    usages: [...models.map(aUsage), ROUTER_USAGE],
    pools: [CARD],
    allocations: [],
    isConfined: false,
    isOwnHost,
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

describe('memory attribution', () => {
  const [qwen, gemma] = [aProcess(7, 'qwen'), aProcess(8, 'gemma')];

  it('divides a card among the models and the unattributed rest', () => {
    const allocations = [allocates(7, 5), allocates(8, 9), allocates(99, 3)];
    expect(attribute(measurement({ models: [qwen, gemma], allocations }))).toEqual({
      gpus: [{ ...PUBLISHED, unownedBytes: 6 * GIB }],
      others: [{ uuid: 'GPU-0', pid: 99, bytes: 3 * GIB }],
      models: [owned(qwen, { gpus: share(5) }), owned(gemma, { gpus: share(9) })],
      routers: [{ router: 'box', residentBytes: GIB, gpus: [] }],
      orphans: [],
      contained: [],
      here: ['box'],
      hidden: [],
    });
  });

  it("has the memory of a router's own process, which is not unattributed", () => {
    const read = attribute(
      measurement({ models: [qwen], allocations: [allocates(7, 5), allocates(1, 0.5)] }),
    );
    expect(read.routers).toEqual([{ router: 'box', residentBytes: GIB, gpus: share(0.5) }]);
    expect(read).toMatchObject({ gpus: [{ unownedBytes: 14.5 * GIB }], others: [] });
    expect(read.models).toEqual([owned(qwen, { gpus: share(5) })]);
  });

  it('lists other processes, the largest first, each once', () => {
    const allocations = [allocates(90, 1), allocates(91, 2), allocates(90, 3), allocates(92, undefined)];
    const all = [...allocations, allocates(93, 9, 'GPU-1'), allocates(7, 5)];
    expect(attribute(measurement({ models: [qwen], allocations: all })).others).toEqual([
      { uuid: 'GPU-0', pid: 90, bytes: 4 * GIB },
      { uuid: 'GPU-0', pid: 91, bytes: 2 * GIB },
    ]);
    expect(attribute(measurement({ seesProcesses: false, allocations: all })).others).toEqual([]);
  });

  it('has the resident memory of models without a GPU', () => {
    expect(attribute(measurement({ models: [qwen], pools: [] }))).toMatchObject({
      gpus: [],
      models: [owned(qwen, {})],
    });
  });

  it('sums the instances of a divided card', () => {
    const { models } = attribute(
      measurement({ models: [qwen], allocations: [allocates(7, 5), allocates(7, 2)] }),
    );
    expect(models).toEqual([owned(qwen, { gpus: share(7) })]);
  });

  it('sums two processes of a model while the old one ends', () => {
    const next = aProcess(9, 'qwen');
    const { models } = attribute(
      measurement({ models: [qwen, next], allocations: [allocates(7, 5), allocates(9, 2)] }),
    );
    expect(models).toEqual([
      owned(qwen, { residentBytes: 2 * GIB, processes: [aUsage(qwen), aUsage(next)], gpus: share(7) }),
    ]);
  });

  it('finds the model by alias, otherwise by port', () => {
    const models = [
      { id: 'qwen', aliases: ['default'], isRunning: true },
      { id: 'renamed', aliases: [], isRunning: true, port: 40_008 },
    ];
    const given = { routers: [aRouter({ models })], models: [aProcess(7, 'default'), aProcess(8, 'gemma')] };
    expect(attribute(measurement(given)).models.map(({ model }) => model)).toEqual(['qwen', 'renamed']);
  });

  it('does not count an unlisted model of a router as unattributed', () => {
    const given = { models: [aProcess(7, 'gone')], allocations: [allocates(7, 5)] };
    expect(attribute(measurement(given))).toMatchObject({ models: [], gpus: [{ unownedBytes: 15 * GIB }] });
  });

  it('has orphans in addition to models, and their memory is not unattributed', () => {
    const orphan = aProcess(9, 'gemma');
    const of = { router: 'box', model: 'gemma', processes: [orphan] };
    const given = (isSure: boolean) => ({
      ...{ models: [qwen], orphans: [{ ...of, isSure }], usages: [qwen, orphan].map(aUsage) },
      allocations: [allocates(7, 5), allocates(9, 9)],
    });
    const read = attribute(measurement(given(true)));
    expect(read.orphans).toEqual([
      { router: 'box', model: 'gemma', pid: 9, residentBytes: GIB, gpus: share(9) },
    ]);
    expect(read.models.map(({ model }) => model)).toEqual(['qwen']);
    expect(read).toMatchObject({ gpus: [{ unownedBytes: 6 * GIB }], others: [] });
    const unsure = attribute(measurement(given(false)));
    expect(unsure).toMatchObject({ orphans: [], gpus: [{ unownedBytes: 6 * GIB }], others: [] });
  });

  it('has no memory of a model in a container, and none unattributed', () => {
    const client = { ...qwen, isContainer: true };
    const read = attribute(measurement({ models: [client], allocations: [allocates(99, 5)] }));
    expect(read).toMatchObject({ models: [], contained: [{ router: 'box', model: 'qwen' }], others: [] });
    expect(read.gpus).toEqual([PUBLISHED]);
  });

  it('counts an allocation once if a router is configured with two URLs', () => {
    const routers = [aRouter(), aRouter({ name: 'again', url: 'http://127.0.0.1:8080' })];
    const parents = new Map(routers.map(({ url }) => [url, { pid: 1, startTicks: 1 }]));
    const read = attribute(measurement({ routers, parents, models: [qwen], allocations: [allocates(7, 5)] }));
    expect(read.models.map(({ router }) => router)).toEqual(['box', 'again']);
    expect(read.gpus[0]?.unownedBytes).toBe(15 * GIB);
  });
});

describe('unattributed memory', () => {
  const qwen = aProcess(7, 'qwen');
  const running = [{ id: 'qwen', aliases: [], isRunning: true }];
  const unattributed = (more: Partial<Measurement>) => attribute(measurement(more)).gpus[0]?.unownedBytes;
  const unfound = (router: Partial<RouterProcessHint>, more: Partial<Measurement> = {}) =>
    unattributed({ routers: [aRouter({ models: running, ...router })], parents: new Map(), ...more });

  it.each<[string, number | undefined, number | undefined]>([
    ['is all used memory without models', unattributed({}), 20],
    ['is never below zero', unattributed({ models: [qwen], allocations: [allocates(7, 21)] }), 0],
    [
      'is unknown if the allocation of a model is',
      unattributed({ models: [qwen], allocations: [allocates(7, undefined)] }),
      undefined,
    ],
    [
      'is known if only the allocation of another process is unknown',
      unattributed({ models: [qwen], allocations: [allocates(99, undefined)] }),
      20,
    ],
    [
      'is unknown if the driver reports no allocations',
      unattributed({ pools: [{ ...CARD, hasAllocations: false }] }),
      undefined,
    ],
    ['is unknown without the process table', unattributed({ seesProcesses: false }), undefined],
    [
      'is unknown while a model ends',
      unattributed({ models: [qwen], usages: [], allocations: [allocates(7, 5)] }),
      undefined,
    ],
    [
      'is unknown while a router ends',
      unattributed({
        ...{ models: [qwen], usages: [], allocations: [allocates(7, 5)], parents: new Map() },
        formerParents: new Map([['http://localhost:8080', { pid: 1, startTicks: 1 }]]),
      }),
      undefined,
    ],
    [
      'is unknown while a router or a model starts',
      unattributed({ started: new Set([7]), allocations: [allocates(7, 1)] }),
      undefined,
    ],
    [
      'is unknown if the allocation of a router is',
      unattributed({ allocations: [allocates(1, undefined)] }),
      undefined,
    ],
    ['is unknown if the models of a local router are not visible', unfound({}), undefined],
    [
      'is unknown if a router may be in another container',
      unfound({ url: 'http://llama:8080' }, { isConfined: true }),
      undefined,
    ],
    [
      'is unknown in a container until a router has answered',
      unfound({ url: 'http://llama:8080', isListed: false, models: [] }, { isConfined: true }),
      undefined,
    ],
    [
      'is known on the machine itself before a router has answered',
      unfound({ url: 'http://llama:8080', isListed: false, models: [] }),
      20,
    ],
    ['is known if the router is on another machine', unfound({ url: 'http://gpu-box:8080' }), 20],
    ['is known if the router is configured as not local', unfound({ local: 'no' }), 20],
  ])('%s', (_, bytes, gib) => expect(bytes).toBe(gib === undefined ? undefined : gib * GIB));

  it('of shared memory is used system memory without the allocations of models', () => {
    const pool: MeasuredPool = { gpu: '0', uuid: 'GPU-0', name: 'GB10', pool: 'host', hasAllocations: true };
    const host = { totalBytes: 120 * GIB, availableBytes: 50 * GIB };
    const allocations: Allocation[] = [{ pid: 7, uuid: 'GPU-0', pool: 'host', bytes: 60 * GIB }];
    expect(attribute(measurement({ models: [qwen], pools: [pool], allocations, host })).gpus).toMatchObject([
      { totalBytes: 120 * GIB, usedBytes: 70 * GIB, unownedBytes: 10 * GIB },
    ]);
    expect(attribute(measurement({ pools: [pool] })).gpus).toEqual([
      { gpu: '0', uuid: 'GPU-0', name: 'GB10', pool: 'host' },
    ]);
  });
});

describe('a reused pid', () => {
  const now = aProcess(7, 'qwen', { startTicks: 500 });

  it('does not take over the allocations of the earlier process', () => {
    const earlier = aProcess(7, 'gemma', { startTicks: 70 });
    const read = attribute(
      measurement({
        models: [earlier],
        usages: [ROUTER_USAGE],
        allocations: [allocates(7, 5)],
      }),
    );
    expect(read.models).toEqual([]);
    expect(read.gpus).toEqual([PUBLISHED]);
  });

  it('of the router attributes nothing to the later process', () => {
    const child = { ...now, parent: { pid: 1, startTicks: 2 } };
    expect(attribute(measurement({ models: [child] })).models).toEqual([]);
  });
});

describe('the process of a router', () => {
  const aParent = (pid: number, listens?: (number | string)[]): ParentProcess => ({
    pid,
    startTicks: pid,
    ...(listens && { listens }),
  });
  const listed = [{ id: 'qwen', aliases: [], isRunning: true, port: 40_007 }];
  const inContainer = aRouter({ url: 'http://llama:8080', models: listed });
  const find = (
    router: RouterProcessHint,
    parents: ParentProcess[],
    models: ModelProcess[] = [],
    before: readonly (readonly [string, { pid: number; startTicks: number }])[] = [],
  ) => findParents([router], parents, models, isOwnHost, new Map(before)).get(router.url)?.pid;
  const child = (parent: number, alias = 'qwen', port = 40_007) => aProcess(port, alias, { port, parent });

  it.each<[string, number | undefined, number | undefined]>([
    ['listens at its URL', find(aRouter(), [aParent(1, [9090]), aParent(2, [8080])]), 2],
    [
      'listens at its URL, on the default port',
      find(aRouter({ url: 'http://localhost' }), [aParent(2, [80])]),
      2,
    ],
    [
      'listens at its socket',
      find(aRouter({ url: 'unix:/run/b.sock:/llama' }), [
        aParent(1, ['/run/a.sock', 80]),
        aParent(2, ['/run/b.sock']),
      ]),
      2,
    ],
    ['does not listen on another port', find(aRouter(), [aParent(1, [9090])]), undefined],
    [
      'is not local if its URL is of another machine',
      find(aRouter({ url: 'http://gpu-box:8080' }), [aParent(1, [8080])]),
      undefined,
    ],
    [
      'is local if configured so',
      find(aRouter({ url: 'http://gpu-box:8080', local: 'yes' }), [aParent(1, [8080])]),
      1,
    ],
    [
      'is not local if configured so',
      find(aRouter({ local: 'no', models: listed }), [aParent(1, [8080])], [child(1)]),
      undefined,
    ],
    [
      'is the parent of its models, by id and port',
      find(inContainer, [aParent(1), aParent(2)], [child(2), child(1, 'qwen', 1)]),
      2,
    ],
    [
      'is not the parent of a model that it does not list',
      find(inContainer, [aParent(1)], [child(1), child(1, 'other', 5)]),
      undefined,
    ],
    [
      'is not found by a model that is not running',
      find(aRouter({ models: [] }), [aParent(1)], [child(1)]),
      undefined,
    ],
    [
      'is unknown if two processes match',
      find(inContainer, [aParent(1), aParent(2)], [child(1), child(2)]),
      undefined,
    ],
    [
      'stays the same process',
      find(inContainer, [aParent(3)], [], [[inContainer.url, { pid: 3, startTicks: 3 }]]),
      3,
    ],
    [
      'is the process that listens now rather than the former one',
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

describe('any measurement', () => {
  const pid = fc.integer({ min: 1, max: 6 });
  const ticks = fc.integer({ min: 1, max: 3 });
  const alias = fc.constantFrom('qwen', 'gemma', 'other');
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
    models: processes,
    used: fc.nat(),
    allocations: fc.array(holding, { maxLength: 8 }),
    parent: fc.record({ pid, startTicks: ticks }),
    started: fc.uniqueArray(pid, { maxLength: 2 }),
    measured: fc.array(fc.record({ pid, startTicks: ticks }), { maxLength: 6 }),
  });

  it('attributes only to processes that stay the same, and shares and rest add up', () => {
    fc.assert(
      fc.property(given, ({ models, used, allocations, parent, started, measured }) => {
        const usages = measured.map((id): ProcessUsage => ({ ...id, cpuSeconds: 1 }));
        const all: Allocation[] = allocations.map(({ bytes, ...held }) => ({
          ...held,
          pool: 'vram',
          ...(bytes !== undefined && { bytes }),
        }));
        const pools = [{ ...CARD, usedBytes: used }];
        const parents = new Map([['http://localhost:8080', parent]]);
        const read = attribute(
          measurement({ models, started: new Set(started), usages, allocations: all, pools, parents }),
        );

        const same = (one: { pid: number; startTicks: number }, other: { pid: number; startTicks: number }) =>
          one.pid === other.pid && one.startTicks === other.startTicks;
        const ours = models.filter(
          (each) => same(each.parent, parent) && usages.some((usage) => same(usage, each)),
        );
        for (const model of read.models) {
          for (const each of model.processes) expect(ours.some((one) => same(one, each))).toBe(true);
          const sure = ours.filter((one) => one.alias === model.model);
          for (const gpu of model.gpus) {
            const own = all.filter(
              (each) => each.uuid === gpu.uuid && sure.some((one) => one.pid === each.pid),
            );
            expect(gpu.bytes).toBe(own.reduce((sum, { bytes }) => sum + (bytes ?? Number.NaN), 0));
          }
        }
        const rest = read.gpus[0]?.unownedBytes;
        if (rest === undefined) return;
        const children = models.filter((each) => same(each.parent, parent));
        const owners = new Set([parent, ...children].map((each) => each.pid));
        const held = all
          .filter((each) => each.uuid === 'GPU-0' && owners.has(each.pid))
          .reduce((sum, { bytes }) => sum + (bytes ?? Number.NaN), 0);
        expect(rest).toBe(Math.max(0, used - held));
      }),
      { numRuns: 1000 },
    );
  });
});
