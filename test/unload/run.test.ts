import { describe, expect, it } from '@jest/globals';
import { failed, ok } from '../../src/lib/result.ts';
import { createStore } from '../../src/models/store.ts';
import type { ModelResult } from '../../src/unload/report.ts';
import { runOnRouter } from '../../src/unload/run.ts';
import { aListing, begun, ended, listed, recordDeeds, turned } from '../support/a-model.ts';
import { aRequest } from '../support/a-request.ts';
import { createScriptedHands } from '../support/scripted-control.ts';
import { TIMEOUT, UNREACHABLE } from '../support/scripted-feed.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** A router with these models loaded, and what becomes of unloading them. */
function aRouter(...loaded: string[]) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 0 });
  const hands = createScriptedHands(clock, store, 'router', ...loaded);
  const operationMetrics = recordDeeds(store);
  const told: string[] = [];
  const waiting = new AbortController();
  const patience = { busy: waiting.signal, gone: new AbortController().signal };
  const run = async (models: readonly string[], wish: Wish = {}): Promise<ModelResult[]> => {
    const results = new Map<string, ModelResult>();
    await runOnRouter(aRequest({ models, ...wish }), hands, clock, patience, {
      planned: () => {},
      waiting: (model, why) => told.push(`${model}: ${why}`),
      settled: (result) => results.set(result.model, result),
    });
    return [...results.values()];
  };
  return {
    clock,
    store,
    hands,
    operationMetrics,
    told,
    waiting,
    entry: hands.entry,
    run,
    /** Runs for as long as it takes, within ten minutes, and leaves nothing behind. */
    async unload(models: string[] = loaded, wish: Wish = {}): Promise<ModelResult[]> {
      let results: ModelResult[] | undefined;
      const running = run(models, wish);
      void running.then((got) => {
        results = got;
      });
      for (let seconds = 0; results === undefined && seconds < 600; seconds += 1) await clock.advance(1000);
      const got = results ?? (await running);
      await clock.advance(1000);
      expect(clock.pending()).toBe(0);
      return models.flatMap((model) => got.filter((result) => result.model === model));
    },
  };
}

type Wish = Parameters<typeof aRequest>[0];

describe('a model', () => {
  it('is unloaded when its event comes, and not when the router says that it will', async () => {
    const { hands, unload, operationMetrics } = aRouter('a');
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect(operationMetrics).toEqual(['a requested while loaded']);
    expect(hands.refreshes).toBe(0);
  });

  it('is unloaded when its event comes before the answer', async () => {
    const { hands, unload, operationMetrics, entry } = aRouter('a');
    hands.order = async () => {
      entry.event(ended('a'));
      return ok('accepted');
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
    expect(operationMetrics).toEqual(['a requested while loaded']);
  });

  it('is unloaded when a listing shows it, asked for once a second while no event comes', async () => {
    const { clock, hands, unload, entry, operationMetrics } = aRouter('a');
    hands.order = async () => ok('accepted');
    const goneAt = clock.now() + 2500;
    hands.refresh = async () => {
      hands.refreshes += 1;
      const status = clock.now() < goneAt ? 'loaded' : 'unloaded';
      entry.listed(aListing(listed('a', status, { instance: 1 })));
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 3 }]);
    expect(hands.refreshes).toBe(3);
    expect(operationMetrics).toEqual(['a requested while loaded']);
  });

  it('is unloaded when it vanishes', async () => {
    const { clock, hands, unload, entry } = aRouter('a');
    hands.order = async () => {
      clock.after(100, () => entry.listed(aListing()));
      return ok('accepted');
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.1 }]);
  });

  it('is unloaded when it is loaded again at once', async () => {
    const { hands, unload, operationMetrics } = aRouter('a');
    hands.order = async () => {
      hands.later(50, ended('a'), begun('a'), turned('a', 'loaded'));
      return ok('accepted');
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect(operationMetrics).toEqual([
      'a requested while loaded',
      'a loaded in 0 s, 0 s after it was requested',
    ]);
  });

  it('is unloaded when a listing shows that it was loaded again, in another process', async () => {
    const { hands, unload, entry } = aRouter('a');
    hands.order = async () => ok('accepted');
    hands.refresh = async () => {
      entry.listed(aListing(listed('a', 'loaded', { instance: 2 })));
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 1 }]);
  });

  const killed = { result: 'forced', detail: 'it did not stop by itself and was killed' };
  it('that does not stop is killed by the router: forced, requested, and no crash', async () => {
    const { hands, unload, operationMetrics } = aRouter('a');
    hands.order = async () => {
      hands.later(10_000, ended('a', 1));
      return ok('accepted');
    };
    expect(await unload()).toEqual([{ model: 'a', ...killed, seconds: 10 }]);
    expect(operationMetrics).toEqual(['a requested while loaded']);
  });

  it('that was killed and is loaded again at once was killed all the same', async () => {
    const { hands, unload } = aRouter('a');
    hands.order = async () => {
      hands.later(10_000, ended('a', 1), begun('a'));
      return ok('accepted');
    };
    expect(await unload()).toEqual([{ model: 'a', ...killed, seconds: 10 }]);
  });

  it('whose load is ended is unloaded: a load has no other end', async () => {
    const { hands, unload, entry, operationMetrics } = aRouter();
    entry.event(begun('a'));
    hands.order = async () => {
      hands.later(20, ended('a', 1));
      return ok('accepted');
    };
    expect(await unload(['a'], { whenBusy: 'force' })).toEqual([
      { model: 'a', result: 'unloaded', seconds: 0.02 },
    ]);
    expect(operationMetrics).toEqual(['a appeared', 'a requested while loading']);
    expect(entry.state.models.get('a')?.lifecycle.loadFailed).toBe(false);
  });

  it('that never goes is a timeout, and its later end is still our doing', async () => {
    const { hands, unload, entry, operationMetrics } = aRouter('a');
    hands.order = async () => ok('accepted');
    expect(await unload(['a'], { timeoutMs: 5000 })).toEqual([
      {
        model: 'a',
        result: 'timeout',
        seconds: 5,
        detail: 'the router accepted, but it was still there after 5 s',
      },
    ]);
    entry.event(ended('a', 1));
    expect(operationMetrics).toEqual(['a requested while loaded']);
  });

  it('of a router that goes down meanwhile is a timeout that says so', async () => {
    const { hands, unload, entry } = aRouter('a');
    hands.order = async () => ok('accepted');
    hands.refresh = async () => entry.failed(UNREACHABLE);
    expect(await unload(['a'], { timeoutMs: 5000 })).toEqual([
      {
        model: 'a',
        result: 'timeout',
        seconds: 5,
        detail: `the router accepted, and then could not be asked: ${UNREACHABLE.message}`,
      },
    ]);
  });

  it.each([
    ['not_running', { model: 'a', result: 'already_unloaded' }],
    ['unknown_model', { model: 'a', result: 'failed', detail: 'the router does not know it any more' }],
  ] as const)(
    'that the router refuses to unload as %s is settled, and what follows is not our doing',
    async (answer, result) => {
      const { hands, unload, entry, operationMetrics } = aRouter('a');
      hands.order = async () => ok(answer);
      expect(await unload()).toEqual([result]);
      entry.event(ended('a'));
      expect(operationMetrics).toEqual(['a external while loaded']);
    },
  );

  it('that nobody waits for is asked to go, and its end is still our doing', async () => {
    const { hands, unload, entry, operationMetrics } = aRouter('a');
    hands.order = async () => ok('accepted');
    expect(await unload(['a'], { verify: false })).toEqual([{ model: 'a', result: 'asked' }]);
    entry.event(ended('a'));
    expect(operationMetrics).toEqual(['a requested while loaded']);
  });
});

describe('without an answer', () => {
  it('it failed, and what follows is not our doing', async () => {
    const { hands, unload, entry, operationMetrics } = aRouter('a');
    hands.order = async () => failed(UNREACHABLE);
    expect(await unload()).toEqual([{ model: 'a', result: 'failed', detail: UNREACHABLE.message }]);
    entry.event(ended('a'));
    expect(operationMetrics).toEqual(['a external while loaded']);
  });

  it('a look shows whether it was done all the same', async () => {
    const { hands, unload, entry, operationMetrics } = aRouter('a');
    hands.order = async () => failed(TIMEOUT);
    hands.refresh = async () => {
      entry.listed(aListing(listed('a', 'unloaded', { instance: 1 })));
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
    expect(operationMetrics).toEqual(['a requested while loaded']);
  });

  it('its event shows that it was done all the same', async () => {
    const { hands, unload } = aRouter('a');
    hands.order = async () => {
      hands.entry.event(ended('a'));
      return failed(TIMEOUT);
    };
    expect(await unload(['a'], { verify: false })).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
  });

  it('the others are unloaded all the same', async () => {
    const { hands, unload } = aRouter('a', 'b', 'c');
    hands.order = async (model) => {
      if (model === 'b') return failed(TIMEOUT);
      hands.later(50, ended(model));
      return ok('accepted');
    };
    expect((await unload()).map(({ result }) => result)).toEqual(['unloaded', 'failed', 'unloaded']);
  });
});

describe('a busy model', () => {
  const generating = { kind: 'busy' } as const;

  it('is waited for, and unloaded in the first gap', async () => {
    const { clock, hands, unload, told } = aRouter('a');
    hands.doing.set('a', generating);
    clock.after(30_100, () => hands.doing.delete('a'));
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect(hands.ordered).toEqual(['a']);
    expect(new Set(told)).toEqual(new Set(['a: it is generating']));
    expect(hands.asked).toHaveLength(122); // Every 250 ms.
  });

  it('is given up when it never rests, and keeps its memory', async () => {
    const { hands, unload, operationMetrics } = aRouter('a');
    hands.doing.set('a', generating);
    expect(await unload(['a'], { busyTimeoutMs: 90_000 })).toEqual([
      { model: 'a', result: 'busy', detail: 'it is generating, still after 1m30s' },
    ]);
    expect([hands.ordered, operationMetrics]).toEqual([[], []]);
  });

  it('is left alone when busy ones are to be skipped', async () => {
    const { hands, unload } = aRouter('a');
    hands.doing.set('a', generating);
    expect(await unload(['a'], { whenBusy: 'skip' })).toEqual([
      { model: 'a', result: 'busy', detail: 'it is generating' },
    ]);
    expect([hands.asked, hands.ordered]).toEqual([['a'], []]);
  });

  it('is unloaded all the same by force, without a question', async () => {
    const { hands, unload } = aRouter('a');
    hands.doing.set('a', generating);
    expect(await unload(['a'], { whenBusy: 'force' })).toEqual([
      { model: 'a', result: 'unloaded', seconds: 0.05 },
    ]);
    expect(hands.asked).toEqual([]);
  });

  it('costs the idle ones nothing', async () => {
    const busy = ['b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7', 'b8', 'b9'];
    const { hands, unload, operationMetrics, clock } = aRouter(...busy, 'a');
    for (const model of busy) hands.doing.set(model, generating);
    const startedAt = clock.now();
    hands.onTransition(({ at }) => expect(at).toBe(startedAt + 50));
    const results = await unload([...busy, 'a'], { busyTimeoutMs: 60_000 });
    expect(results.map(({ result }) => result)).toEqual([...busy.map(() => 'busy'), 'unloaded']);
    expect(operationMetrics).toEqual(['a requested while loaded']);
  });

  it('is no longer waited for when the service ends', async () => {
    const { hands, clock, run, waiting } = aRouter('a');
    hands.doing.set('a', generating);
    const running = run(['a']);
    await clock.advance(1000);
    waiting.abort('the exporter is shutting down');
    await clock.advance(0);
    expect(await running).toEqual([
      { model: 'a', result: 'busy', detail: 'it is generating, and the exporter is shutting down' },
    ]);
    expect(clock.pending()).toBe(0);
  });

  it('that ends by itself is not unloaded any more', async () => {
    const { hands, unload, entry, clock, operationMetrics } = aRouter('a');
    hands.doing.set('a', generating);
    clock.after(5000, () => entry.event(ended('a')));
    expect(await unload()).toEqual([{ model: 'a', result: 'already_unloaded', detail: 'it went by itself' }]);
    expect(operationMetrics).toEqual(['a external while loaded']);
  });
});

describe('a model of which nobody knows whether it is busy', () => {
  const silent = {
    kind: 'unknown',
    why: 'busy state unknown: it is silent',
    lasting: false,
  } as const;

  it('counts as busy, and is asked again', async () => {
    const { hands, unload, clock } = aRouter('a');
    hands.doing.set('a', silent);
    clock.after(3000, () => hands.doing.delete('a'));
    expect(await unload()).toMatchObject([{ result: 'unloaded' }]);
  });

  it('is left alone at once when asking again will not help', async () => {
    const { hands, unload } = aRouter('a');
    hands.doing.set('a', { ...silent, lasting: true });
    expect(await unload()).toEqual([{ model: 'a', result: 'busy', detail: silent.why }]);
    expect(hands.asked).toEqual(['a']);
  });

  it.each(['skip', 'wait'] as const)(
    'has failed when its router does not answer either (%s)',
    async (whenBusy) => {
      const { hands, unload, entry } = aRouter('a');
      hands.doing.set('a', silent);
      hands.refresh = async () => entry.failed(TIMEOUT);
      expect(await unload(['a'], { whenBusy })).toEqual([
        { model: 'a', result: 'failed', detail: TIMEOUT.message },
      ]);
      expect(hands.asked).toEqual(['a']);
    },
  );

  it('has failed as soon as its router goes down, whatever it was waited for', async () => {
    const { hands, run, entry, clock } = aRouter('a');
    entry.event(begun('b'));
    hands.doing.set('a', { kind: 'busy' });
    const running = run(['a', 'b']);
    await clock.advance(1000);
    entry.failed(UNREACHABLE);
    await clock.advance(250);
    const result = { result: 'failed', detail: UNREACHABLE.message };
    expect(await running).toEqual([
      { model: 'b', ...result },
      { model: 'a', ...result },
    ]);
    expect(hands.ordered).toEqual([]);
    expect(clock.pending()).toBe(0);
  });
});

describe('a model that', () => {
  it('sleeps is idle and is asked nothing', async () => {
    const { hands, unload, entry } = aRouter('a');
    entry.event(turned('a', 'sleeping'));
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect(hands.asked).toEqual([]);
  });

  it('is loading is waited for, and goes when it is there and idle', async () => {
    const { hands, unload, entry, clock, told } = aRouter();
    entry.event(begun('a'));
    clock.after(4000, () => entry.event(turned('a', 'loaded')));
    expect(await unload(['a'])).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect(new Set(told)).toEqual(new Set(['a: it is still loading']));
    expect(hands.asked).toEqual(['a']);
  });

  it('served while it was thought idle is kept when only idle ones are meant', async () => {
    const { hands, run, entry, clock } = aRouter('a');
    const reading = (lastAt: number) => ({ busy: false, watchedAt: 0, work: 1, lastAt });
    entry.activity('a', reading(clock.now()));
    await clock.advance(600_000);
    hands.probe = async () => {
      entry.activity('a', reading(clock.now() - 2000));
      return { kind: 'idle' };
    };
    expect(await run([], { idleForMs: 300_000 })).toEqual([
      { model: 'a', result: 'kept', detail: 'it was active 2s ago' },
    ]);
    expect(hands.ordered).toEqual([]);
  });
});

describe('two who ask for the same', () => {
  it('both see it go, and the refusal of one does not take the other’s word back', async () => {
    const { clock, hands, entry, operationMetrics, run } = aRouter('a');
    let asked = 0;
    hands.order = async () => {
      asked += 1;
      return asked === 1 ? ok('accepted') : ok('not_running');
    };
    const first = run(['a']);
    await clock.advance(0);
    const second = run(['a']);
    await clock.advance(0);
    entry.event(ended('a'));
    expect(await first).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
    expect(await second).toEqual([{ model: 'a', result: 'already_unloaded' }]);
    expect(operationMetrics).toEqual(['a requested while loaded']);
  });

  it('an event of another router’s model of that name is not this one’s', async () => {
    const { clock, store, hands, run } = aRouter('a');
    const other = createScriptedHands(clock, store, 'other', 'a');
    hands.order = async () => ok('accepted');
    const running = run(['a'], { timeoutMs: 500 });
    await clock.advance(0);
    other.entry.event(ended('a'));
    await clock.advance(500);
    expect(await running).toMatchObject([{ result: 'timeout' }]);
  });
});

describe('many models', () => {
  const many = Array.from({ length: 20 }, (_, index) => `m${index}`);

  it('are unloaded eight at once, and answered in the order given', async () => {
    const { hands, unload } = aRouter(...many);
    let underway = 0;
    let most = 0;
    hands.order = async (model) => {
      underway += 1;
      most = Math.max(most, underway);
      const ms = 200 - 10 * many.indexOf(model);
      hands.later(ms, ended(model));
      hands.onTransition((transition) => {
        if (transition.kind !== 'model' || transition.model !== model) return;
        if (transition.change.kind === 'unloaded') underway -= 1;
      });
      return ok('accepted');
    };
    expect((await unload()).map(({ model }) => model)).toEqual(many);
    expect(most).toBe(8);
    expect(hands.ordered).toEqual(many);
  });

  it('are told of as each is done', async () => {
    const { hands, clock, run } = aRouter('a', 'b');
    hands.order = async (model) => {
      hands.later(model === 'a' ? 500 : 100, ended(model));
      return ok('accepted');
    };
    const running = run(['a', 'b']);
    await clock.advance(500);
    expect((await running).map(({ model }) => model)).toEqual(['b', 'a']);
  });

  it('may be none', async () => {
    expect(await aRouter().unload([])).toEqual([]);
  });
});
