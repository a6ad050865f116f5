import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { WHEN_BUSY } from '../../src/config/when-busy.ts';
import { matchesGlob } from '../../src/lib/glob.ts';
import { createStore } from '../../src/models/store.ts';
import { createGuards } from '../../src/unload/guards.ts';
import type { Started } from '../../src/unload/operation.ts';
import { createOperations, type Operations } from '../../src/unload/operations.ts';
import { TRIGGERS } from '../../src/unload/request.ts';
import { begun, ended, turned } from '../support/a-model.ts';
import { aRequest } from '../support/a-request.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const ROUTERS = ['attic', 'cellar'];
const MODELS = ['chat', 'coder', 'embed', 'kept'];
const RULES = { cooldownMs: 5000, windowMs: 60_000, loopCount: 2, pauseMinMs: 10_000, pauseMaxMs: 60_000 };

const globs = fc.subarray(['c*', 'embed', 'kept', '*', 'missing']);
const router = fc.constantFrom(...ROUTERS);
const model = fc.constantFrom(...MODELS);
const ms = fc.nat(3000);

const step = fc.oneof(
  fc.record({
    kind: fc.constant('request' as const),
    wish: fc.record(
      {
        trigger: fc.constantFrom(...TRIGGERS),
        routers: fc.subarray(ROUTERS),
        models: globs,
        keep: globs,
        whenBusy: fc.constantFrom(...WHEN_BUSY),
        busyTimeoutMs: ms,
        timeoutMs: fc.integer({ min: 1, max: 3000 }),
        dryRun: fc.boolean(),
        idleForMs: ms,
        target: fc.record({ freeBytes: fc.nat(100) }),
      },
      { requiredKeys: [] },
    ),
  }),
  fc.record({ kind: fc.constant('turns' as const), router, model, doing: fc.constantFrom('busy', 'idle') }),
  fc.record({ kind: fc.constant('comes back' as const), router, model }),
  fc.record({ kind: fc.constant('falls asleep' as const), router, model }),
  fc.record({ kind: fc.constant('passes' as const), ms }),
);

it('no sequence of requests unloads a kept model, or a busy one without force, or runs two operations on a router at once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const clock = createSteppedClock();
      const store = createStore(clock, { reloadWindowMs: 60_000 });
      const guards = createGuards(
        clock,
        () => RULES,
        () => {},
      );
      store.onTransition(guards.observe);
      const controls = ROUTERS.map((name) => createScriptedControl(clock, store, name, ...MODELS));
      const operations = createOperations({
        controls: () => controls,
        keep: () => ['kept'],
        guards,
        clock,
      });
      for (const each of controls) {
        const name = each.entry.state.name;
        each.order = async (ordered) => {
          expect(ordered).not.toBe('kept');
          const [only, ...others] = activeOn(operations, name);
          expect(others).toEqual([]);
          expect(only?.dry_run).toBe(false);
          if (each.doing.get(ordered)?.kind === 'busy') expect(only?.when_busy).toBe('force');
          each.later(30, ended(ordered));
          return { ok: true, value: 'accepted' };
        };
      }

      const started: [Started, readonly string[]][] = [];
      for (const next of steps) {
        const control = 'router' in next ? controls[ROUTERS.indexOf(next.router)] : undefined;
        if (next.kind === 'request') {
          const request = aRequest(next.wish);
          started.push([operations.start(request), request.selection.keep]);
        } else if (next.kind === 'passes') await clock.advance(next.ms);
        else if (next.kind === 'turns' && isLoaded(control, next.model)) {
          control?.doing.set(next.model, { kind: next.doing as 'busy' | 'idle' });
        } else if (next.kind === 'falls asleep' && isLoaded(control, next.model)) {
          control?.doing.delete(next.model);
          control?.entry.event(turned(next.model, 'sleeping'));
        } else if (next.kind === 'comes back' && !isLoaded(control, next.model)) {
          control?.doing.delete(next.model); // Another process.
          control?.entry.event(begun(next.model));
          control?.entry.event(turned(next.model, 'loaded'));
        }
        for (const name of ROUTERS) expect(activeOn(operations, name).length).toBeLessThanOrEqual(1);
      }
      await clock.advance(600_000);

      for (const [{ report, joined }, keep] of started) {
        const operation = report();
        expect(operation.outcome).not.toBeNull();
        if (joined) continue;
        for (const { model: id, result } of operation.routers.flatMap(({ models }) => models)) {
          const mustStay = id === 'kept' || keep.some((glob) => matchesGlob(glob, id));
          if (mustStay) expect(['kept', 'failed', 'already_unloaded']).toContain(result);
        }
      }
      expect(clock.pending()).toBe(0);
    }),
    { numRuns: 150 },
  );
}, 60_000);

/** The operations with pending models on this router. */
function activeOn(operations: Operations, router: string) {
  return operations
    .list()
    .filter(({ routers }) =>
      routers.some(
        (result) => result.router === router && result.models.some(({ result: known }) => known === null),
      ),
    );
}

function isLoaded(control: ReturnType<typeof createScriptedControl> | undefined, id: string): boolean {
  return control?.entry.state.models.get(id)?.lifecycle.status === 'loaded';
}
