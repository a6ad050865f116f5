import { describe, expect, it } from '@jest/globals';
import { createStore } from '../../src/models/store.ts';
import { createUsage } from '../../src/models/usage.ts';
import { aListing, listed } from '../support/a-model.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const SECOND = 1000;

function aUsage() {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  store
    .add('box', 'http://box')
    .listed(aListing(listed('qwen', 'unloaded', { aliases: ['fast'] }), listed('gemma', 'loaded')));
  store.add('attic', 'http://attic').listed(aListing(listed('qwen', 'loaded')));
  return { clock, usage: createUsage(store, clock) };
}

const reload = (durationSeconds: number | undefined, sinceUnloadSeconds: number) => ({
  router: 'box',
  model: 'qwen',
  durationSeconds,
  sinceUnloadSeconds,
});

describe('a report', () => {
  it('is about every router that has the model, or the one that it names', () => {
    const { usage } = aUsage();
    const [box, attic] = [
      { router: 'box', model: 'qwen' },
      { router: 'attic', model: 'qwen' },
    ];
    expect(usage.report({ model: 'qwen', cause: 'chat' })).toEqual([box, attic]);
    expect(usage.report({ model: 'qwen', router: 'attic', cause: 'chat' })).toEqual([attic]);
    expect(usage.report({ model: 'fast', cause: 'chat' })).toEqual([box]);
    expect(usage.report({ model: 'gpt-5', cause: 'chat' })).toEqual([]);
    expect(usage.report({ model: 'qwen', router: 'cellar', cause: 'chat' })).toEqual([]);
  });
});

describe('the cause of a load after an unload', () => {
  it('is the first that was reported since the unload: others waited with it', async () => {
    const { usage, clock } = aUsage();
    usage.report({ model: 'qwen', cause: 'api' });
    clock.jump(10 * SECOND); // Unloaded at the end of these.
    clock.jump(20 * SECOND);
    usage.report({ model: 'fast', router: 'box', cause: 'task' });
    clock.jump(2 * SECOND);
    usage.report({ model: 'qwen', cause: 'chat' });
    clock.jump(3 * SECOND);
    expect(usage.causeOf(reload(5, 25))).toBe('task');
  });

  it.each([
    ['was reported up to a minute before the load began', 59, 2, 500, 'chat'],
    ['longer ago is not on its account', 62, 1, 500, 'unknown'],
    ['before the unload is not on its account', 10, 1, 5, 'unknown'],
    ['just before the news of the unload may be', 5.9, 1, 5, 'chat'],
    ['of a load whose begin nobody saw is told all the same', 30, undefined, 500, 'chat'],
  ])('what %s', (_, reportedSecondsAgo, durationSeconds, sinceUnloadSeconds, cause) => {
    const { usage, clock } = aUsage();
    usage.report({ model: 'qwen', cause: 'chat' });
    clock.jump(reportedSecondsAgo * SECOND);
    expect(usage.causeOf(reload(durationSeconds, sinceUnloadSeconds))).toBe(cause);
  });

  it('is that of this router and this model', () => {
    const { usage } = aUsage();
    usage.report({ model: 'gemma', cause: 'chat' });
    usage.report({ model: 'qwen', router: 'attic', cause: 'chat' });
    expect(usage.causeOf(reload(1, 5))).toBe('unknown');
  });
});

it('remembers a thousand reports, the newest', () => {
  const { usage } = aUsage();
  usage.report({ model: 'qwen', router: 'box', cause: 'chat' });
  for (let i = 0; i < 999; i += 1) usage.report({ model: 'gemma', cause: 'api' });
  expect(usage.causeOf(reload(1, 5))).toBe('chat');
  usage.report({ model: 'gemma', cause: 'api' });
  expect(usage.causeOf(reload(1, 5))).toBe('unknown');
});
