import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { UnloadRequest } from '../../src/unload/request.ts';
import { aHoldRequest } from '../support/a-hold.ts';
import { aRequest } from '../support/a-request.ts';
import {
  createWorldRouter,
  type Exporter,
  startExporterOn,
  type WorldRouter,
} from '../support/restore-world.ts';
import { createSteppedClock, settled } from '../support/stepped-clock.ts';

/** `STORIES=10000` in the environment for more of them. */
const STORIES = Number(process.env.STORIES ?? 500);

const MINUTE = 60_000;
const BOXES = { 'gpu-box': ['a', 'b', 'c'], attic: ['d'] };

type Step =
  | {
      kind: 'hold';
      routers: string[];
      minutes: number;
      unload: 'none' | 'all';
      restore: boolean;
      whenBusy: 'wait' | 'skip' | 'force';
    }
  | { kind: 'release' | 'renew'; nth: number }
  | {
      kind: 'client loads' | 'client unloads' | 'operator unloads' | 'turns busy' | 'turns idle';
      model: string;
    }
  | { kind: 'operator unloads all' | 'kill' | 'kill for a day' }
  | { kind: 'pass'; ms: number };

const model = fc.constantFrom('a', 'b', 'c', 'd');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('hold' as const),
    routers: fc.constantFrom<string[]>(['gpu-box'], ['gpu-box'], ['attic'], ['gpu-box', 'attic']),
    minutes: fc.constantFrom(1, 5, 60),
    unload: fc.constantFrom('none' as const, 'all' as const, 'all' as const),
    restore: fc.constantFrom(true, true, false),
    whenBusy: fc.constantFrom('wait' as const, 'skip' as const, 'force' as const),
  }),
  fc.record({
    kind: fc.constantFrom('release' as const, 'release' as const, 'renew' as const),
    nth: fc.nat({ max: 3 }),
  }),
  fc.record({
    kind: fc.constantFrom(
      'client loads' as const,
      'client loads' as const,
      'client unloads' as const,
      'operator unloads' as const,
      'turns busy' as const,
      'turns idle' as const,
    ),
    model,
  }),
  fc.record({
    kind: fc.constantFrom('operator unloads all' as const, 'kill' as const, 'kill for a day' as const),
  }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(0, 20, 60, 120, 1000, 2 * MINUTE) }),
);

/** Acts out a story on real holds and operations, and checks every order to load a model against what is true. */
function startStory() {
  const clock = createSteppedClock();
  const disk = new Map<string, unknown>();
  const routers = Object.entries(BOXES).map(([name, ids]) => createWorldRouter(clock, name, ids));
  /** The models that a hold with restore was the last to act on. */
  const owed = new Set<string>();
  /** By router: whether the unloads that are ordered there are those of a hold with restore. */
  const isLoan = new Map<string, boolean>();
  /** What went wrong. */
  const faults: string[] = [];
  /** Until then, the orders of an exporter that was killed may take effect. */
  let settledAt = 0;
  let exporter = start();

  return {
    faults,
    act,
    /** Ends every hold and lets everything come to rest. */
    async end(): Promise<void> {
      for (const { models } of routers) for (const each of models.values()) each.busy = false;
      for (const { id } of exporter.holds.all()) exporter.holds.release(id, 'test');
      await clock.advance(60 * MINUTE);
      const left = { holds: exporter.holds.all().length, loans: disk.get('loans') ?? [], owed: [...owed] };
      expect(left).toEqual({ holds: 0, loans: [], owed: [] });
      expect(exporter.operations.list().filter(({ outcome }) => outcome === null)).toEqual([]);
    },
  };

  function start(): Exporter {
    return startExporterOn({ clock, routers, disk, onBegin, onOrder });
  }

  function onBegin(router: string, { hold, selection: { models } }: UnloadRequest, restores: boolean): void {
    isLoan.set(router, restores);
    if (hold !== undefined) return;
    for (const id of routerNamed(router).models.keys()) {
      if (models.length === 0 || models.includes(id)) owed.delete(id);
    }
  }

  function onOrder(kind: 'load' | 'unload', router: WorldRouter, id: string): void {
    if (kind === 'unload') {
      if (isLoan.get(router.name)) owed.add(id);
      else owed.delete(id);
      return;
    }
    if (exporter.holds.on(router.name).length > 0) faults.push(`${id} was loaded into a hold`);
    if (!owed.delete(id)) faults.push(`${id} was loaded, but is not owed`);
  }

  async function act(step: Step): Promise<void> {
    switch (step.kind) {
      case 'hold': {
        const { routers, unload, restore, whenBusy } = step;
        exporter.holds.place(
          aHoldRequest(clock.now() + step.minutes * MINUTE, { routers, unload, restore, whenBusy }),
        );
        return;
      }
      case 'release':
      case 'renew': {
        const hold = exporter.holds.all()[step.nth];
        if (hold === undefined) return;
        if (step.kind === 'release') exporter.holds.release(hold.id, 'test');
        else exporter.holds.renew(hold.id, clock.now() + 10 * MINUTE);
        return;
      }
      case 'client loads':
        if (routerOf(step.model).load(step.model) === 'accepted') owed.delete(step.model);
        return;
      case 'client unloads': {
        // An unload that is under way already stays what it is, and so does one of the exporter before.
        if (owed.has(step.model) || clock.now() < settledAt) return;
        routerOf(step.model).unload(step.model);
        return;
      }
      case 'operator unloads':
        exporter.operations.start(aRequest({ models: [step.model], whenBusy: 'skip' }));
        return;
      case 'operator unloads all':
        exporter.operations.start(aRequest({ whenBusy: 'skip' }));
        return;
      case 'turns busy':
      case 'turns idle': {
        const model = routerOf(step.model).modelOf(step.model);
        model.busy = step.kind === 'turns busy' && model.status === 'loaded';
        return;
      }
      case 'kill':
      case 'kill for a day':
        exporter.kill();
        await clock.advance(step.kind === 'kill' ? 0 : 24 * 60 * MINUTE);
        exporter = start();
        settledAt = clock.now() + 15_000;
        return;
      case 'pass':
        return clock.advance(step.ms);
    }
  }

  function routerNamed(name: string): WorldRouter {
    const router = routers.find((each) => each.name === name);
    if (router === undefined) throw new Error(`no router ${name}`);
    return router;
  }

  function routerOf(id: string): WorldRouter {
    const router = routers.find(({ models }) => models.has(id));
    if (router === undefined) throw new Error(`no router has ${id}`);
    return router;
  }
}

/** Stories that once went wrong. */
const FOUND: Step[][] = [
  // Killed while its hold waits for a busy model, which another hold unloads afterwards.
  [
    { kind: 'client loads', model: 'a' },
    { kind: 'pass', ms: 120 },
    { kind: 'turns busy', model: 'a' },
    { kind: 'hold', routers: ['gpu-box'], minutes: 1, unload: 'all', restore: true, whenBusy: 'wait' },
    { kind: 'kill for a day' },
    { kind: 'hold', routers: ['gpu-box'], minutes: 1, unload: 'all', restore: false, whenBusy: 'force' },
  ],
];

it(
  'a model that a hold unloaded is loaded again once, after the last hold, unless it was loaded or unloaded since',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const story = startStory();
        for (const each of steps) {
          await story.act(each);
          await settled();
        }
        await story.end();
        expect(story.faults).toEqual([]);
      }),
      { numRuns: STORIES, examples: FOUND.map((steps) => [steps]) },
    );
  },
  60_000 + STORIES * 50,
);
