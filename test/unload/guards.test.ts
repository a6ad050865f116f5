import { describe, expect, it } from '@jest/globals';
import { createGuards } from '../../src/unload/guards.ts';
import { aRequest, GUARD_RULES } from '../support/a-request.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

function someGuards(clock = createSteppedClock()) {
  const guards = createGuards(
    clock,
    () => GUARD_RULES,
    () => {},
  );
  return { clock, guards };
}

describe('the time of the last unload', () => {
  it('is kept per router, across restarts', async () => {
    const { clock, guards } = someGuards();
    await clock.advance(1000);
    guards.recordUnload('attic', aRequest(), ['qwen']);
    expect([guards.lastUnload('attic'), guards.lastUnload('cellar')]).toEqual([clock.now(), undefined]);
    const at = clock.wall();
    await clock.advance(5000);
    const { guards: next } = someGuards(clock);
    next.restore(guards.snapshot());
    expect(clock.wall(next.lastUnload('attic'))).toBe(at);
  });

  it('is dropped for the oldest routers when thousands come and go', () => {
    const { guards } = someGuards();
    for (let index = 0; index < 2001; index += 1) guards.recordUnload(`pod-${index}`, aRequest(), ['qwen']);
    expect(guards.lastUnload('pod-0')).toBeUndefined();
    expect(guards.lastUnload('pod-1')).toBeDefined();
    expect(guards.snapshot()).toHaveLength(4000);
  });
});

it('a loop pauses no longer than intended when the wall clock was set back before the restart', () => {
  const { clock, guards } = someGuards();
  const pause = { until: clock.wall() + 10 * 3_600_000, ms: 600_000, models: ['qwen'] };
  guards.restore([{ router: 'attic', trigger: 'policy', state: { automatic: [], pause } }]);
  expect(guards.loops()).toEqual([
    { router: 'attic', trigger: 'policy', models: ['qwen'], until: clock.now() + 600_000 },
  ]);
});
