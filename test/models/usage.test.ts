import { describe, expect, it } from '@jest/globals';
import { createStore } from '../../src/models/store.ts';
import { causeOfReload, reportUsage } from '../../src/models/usage.ts';
import { aListing, begun, ended, listed, turned } from '../support/a-model.ts';
import { addRouter } from '../support/driven-router.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const SECOND = 1000;

/** Router `box` has `qwen` with the alias `fast`, and `gemma`; router `attic` has `qwen`. */
function aStore() {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const box = addRouter(store, 'box');
  box.listed(aListing(listed('qwen', 'unloaded', { aliases: ['fast'] }), listed('gemma', 'loaded')));
  addRouter(store, 'attic').listed(aListing(listed('qwen', 'loaded')));
  /** The cause if `qwen` on `box` ends a load now. */
  const causeOf = (loadSeconds: number | undefined, afterSeconds: number) =>
    causeOfReload(
      store.requests,
      { router: 'box', model: 'qwen', at: clock.now() },
      afterSeconds,
      loadSeconds,
    );
  return { clock, store, box, causeOf };
}

it.each([
  [{ model: 'qwen' }, ['box/qwen', 'attic/qwen']],
  [{ model: 'qwen', router: 'attic' }, ['attic/qwen']],
  [{ model: 'fast' }, ['box/qwen']],
  [{ model: 'gpt-5' }, []],
  [{ model: 'qwen', router: 'cellar' }, []],
])('a report of %j is about %j', (report, requests) => {
  const { store } = aStore();
  expect(reportUsage(store, { ...report, cause: 'chat' })).toBe(requests.length);
  expect(store.requests.map(({ router, model }) => `${router}/${model}`)).toEqual(requests);
});

describe('the cause of a reload', () => {
  it('is the first one reported since the unload', () => {
    const { store, clock, causeOf } = aStore();
    reportUsage(store, { model: 'qwen', cause: 'api' });
    clock.jump(30 * SECOND); // It was unloaded 10 s after that report.
    reportUsage(store, { model: 'fast', router: 'box', cause: 'task' });
    clock.jump(2 * SECOND);
    reportUsage(store, { model: 'qwen', cause: 'chat' });
    clock.jump(3 * SECOND);
    expect(causeOf(5, 25)).toBe('task');
  });

  it.each([
    ['within a minute before the load started', 59, 2, 500, 'chat'],
    ['earlier than that', 62, 1, 500, 'unknown'],
    ['before the unload', 10, 1, 5, 'unknown'],
    ['less than a second before the event of the unload', 5.9, 1, 5, 'chat'],
    ['before a load whose start was not observed', 30, undefined, 500, 'chat'],
  ])('reported %s', (_, reportedSecondsAgo, loadSeconds, afterSeconds, cause) => {
    const { store, clock, causeOf } = aStore();
    reportUsage(store, { model: 'qwen', cause: 'chat' });
    clock.jump(reportedSecondsAgo * SECOND);
    expect(causeOf(loadSeconds, afterSeconds)).toBe(cause);
  });

  it('is that of this router and this model', () => {
    const { store, causeOf } = aStore();
    reportUsage(store, { model: 'gemma', cause: 'chat' });
    reportUsage(store, { model: 'qwen', router: 'attic', cause: 'chat' });
    expect(causeOf(1, 5)).toBe('unknown');
  });

  it('is on the transition', () => {
    const { store, clock, box } = aStore();
    const causes: unknown[] = [];
    store.onTransition((transition) => {
      if (transition.kind === 'model' && transition.change.kind === 'loaded') causes.push(transition.cause);
    });
    box.event(begun('qwen'));
    box.event(turned('qwen', 'loaded'));
    box.event(ended('qwen'));
    clock.jump(5 * SECOND);
    reportUsage(store, { model: 'qwen', router: 'box', cause: 'task' });
    box.event(begun('qwen'));
    box.event(turned('qwen', 'loaded'));
    expect(causes).toEqual([undefined, 'task']);
  });
});

it('the last thousand reports are remembered', () => {
  const { store, causeOf } = aStore();
  reportUsage(store, { model: 'qwen', router: 'box', cause: 'chat' });
  for (let i = 0; i < 999; i += 1) reportUsage(store, { model: 'gemma', cause: 'api' });
  expect(causeOf(1, 5)).toBe('chat');
  reportUsage(store, { model: 'gemma', cause: 'api' });
  expect(causeOf(1, 5)).toBe('unknown');
});

it('a report explains one load: a model that is evicted within a second and loaded again has another cause', () => {
  const { store, clock, box } = aStore();
  const causes: unknown[] = [];
  store.onTransition((transition) => {
    if (transition.kind === 'model' && transition.change.kind === 'loaded') causes.push(transition.cause);
  });
  box.event(begun('qwen'));
  box.event(turned('qwen', 'loaded'));
  box.event(ended('qwen'));
  reportUsage(store, { model: 'qwen', router: 'box', cause: 'task' });
  for (const _ of [1, 2]) {
    box.event(begun('qwen'));
    clock.jump(100);
    box.event(turned('qwen', 'loaded'));
    clock.jump(100);
    box.event(ended('qwen'));
  }
  expect(causes).toEqual([undefined, 'task', 'unknown']);
});
