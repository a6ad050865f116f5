import { describe, expect, it } from '@jest/globals';
import { failed, ok } from '../../src/lib/result.ts';
import { createStore } from '../../src/models/store.ts';
import type { ModelResult } from '../../src/unload/report.ts';
import { type RunOptions, runUnload } from '../../src/unload/run.ts';
import { aListing, begun, ended, listed, recordDeeds, turned } from '../support/a-model.ts';
import { TIMEOUT, UNREACHABLE } from '../support/scripted-feed.ts';
import { createScriptedHands, type ScriptedHands } from '../support/scripted-hands.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** A router with these models loaded, and what becomes of unloading them. */
function aRouter(...loaded: string[]) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 0 });
  const hands = createScriptedHands(clock, store, 'router', ...loaded);
  const deeds = recordDeeds(store);
  return {
    clock,
    store,
    hands,
    deeds,
    desk: hands.desk,
    /** Runs for as long as it takes, within ten minutes, and leaves nothing behind. */
    async unload(models: string[] = loaded, options: Partial<RunOptions> = {}): Promise<ModelResult[]> {
      let results: ModelResult[] | undefined;
      const running = runUnload(models, hands, clock, { timeoutMs: 60_000, wait: true, ...options });
      void running.then((got) => {
        results = got;
      });
      for (let seconds = 0; results === undefined && seconds < 600; seconds += 1) await clock.advance(1000);
      const got = results ?? (await running);
      await clock.advance(1000);
      expect(clock.pending()).toBe(0);
      return got;
    },
  };
}

/** Scripts what an unload of these hands does. */
function script(hands: ScriptedHands, unload: (model: string) => ReturnType<ScriptedHands['unload']>) {
  hands.unload = (model) => {
    hands.asked.push(model);
    return unload(model);
  };
}

describe('a model', () => {
  it('is unloaded when its event comes, and not when the router says that it will', async () => {
    const { hands, unload, deeds } = aRouter('a');
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect(deeds).toEqual(['a requested while loaded']);
    expect(hands.refreshes).toBe(0);
  });

  it('is unloaded when its event comes before the answer', async () => {
    const { hands, unload, deeds, desk } = aRouter('a');
    script(hands, async () => {
      desk.event(ended('a'));
      return ok('accepted');
    });
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
    expect(deeds).toEqual(['a requested while loaded']);
  });

  it('is unloaded when a listing shows it, asked for once a second while no event comes', async () => {
    const { clock, hands, unload, desk, deeds } = aRouter('a');
    script(hands, async () => ok('accepted'));
    const goneAt = clock.now() + 2500;
    hands.refresh = async () => {
      hands.refreshes += 1;
      const status = clock.now() < goneAt ? 'loaded' : 'unloaded';
      desk.listed(aListing(listed('a', status, { instance: 1 })));
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 3 }]);
    expect(hands.refreshes).toBe(3);
    expect(deeds).toEqual(['a requested while loaded']);
  });

  it('is unloaded when it vanishes', async () => {
    const { clock, hands, unload, desk } = aRouter('a');
    script(hands, async () => {
      clock.after(100, () => desk.listed(aListing()));
      return ok('accepted');
    });
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.1 }]);
  });

  it('is unloaded when it is loaded again at once', async () => {
    const { hands, unload, deeds } = aRouter('a');
    script(hands, async () => {
      hands.later(50, ended('a'), begun('a'), turned('a', 'loaded'));
      return ok('accepted');
    });
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect(deeds).toEqual(['a requested while loaded', 'a loaded in 0 s, 0 s after it was requested']);
  });

  it('is unloaded when a listing shows that it was loaded again, in another process', async () => {
    const { hands, unload, desk } = aRouter('a');
    script(hands, async () => ok('accepted'));
    hands.refresh = async () => {
      desk.listed(aListing(listed('a', 'loaded', { instance: 2 })));
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 1 }]);
  });

  const killed = { result: 'forced', detail: 'it did not stop by itself and was killed' };
  it('that does not stop is killed by the router: forced, requested, and no crash', async () => {
    const { hands, unload, deeds } = aRouter('a');
    script(hands, async () => {
      hands.later(10_000, ended('a', 1));
      return ok('accepted');
    });
    expect(await unload()).toEqual([{ model: 'a', ...killed, seconds: 10 }]);
    expect(deeds).toEqual(['a requested while loaded']);
  });

  it('that was killed and is loaded again at once was killed all the same', async () => {
    const { hands, unload } = aRouter('a');
    script(hands, async () => {
      hands.later(10_000, ended('a', 1), begun('a'));
      return ok('accepted');
    });
    expect(await unload()).toEqual([{ model: 'a', ...killed, seconds: 10 }]);
  });

  it('whose load is ended is unloaded: a load has no other end', async () => {
    const { hands, unload, desk, deeds } = aRouter();
    desk.event(begun('a'));
    script(hands, async () => {
      hands.later(20, ended('a', 1));
      return ok('accepted');
    });
    expect(await unload(['a'])).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.02 }]);
    expect(deeds).toEqual(['a appeared', 'a requested while loading']);
    expect(desk.belief.models.get('a')?.life.loadFailed).toBe(false);
  });

  it('that never goes is a timeout, and its later end is still our doing', async () => {
    const { hands, unload, desk, deeds } = aRouter('a');
    script(hands, async () => ok('accepted'));
    expect(await unload(['a'], { timeoutMs: 5000 })).toEqual([
      {
        model: 'a',
        result: 'timeout',
        seconds: 5,
        detail: 'the router accepted, but it was still there after 5 s',
      },
    ]);
    desk.event(ended('a', 1));
    expect(deeds).toEqual(['a requested while loaded']);
  });

  it('of a router that goes down meanwhile is a timeout that says so', async () => {
    const { hands, unload, desk } = aRouter('a');
    script(hands, async () => ok('accepted'));
    hands.refresh = async () => desk.failed(UNREACHABLE);
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
      const { hands, unload, desk, deeds } = aRouter('a');
      script(hands, async () => ok(answer));
      expect(await unload()).toEqual([result]);
      desk.event(ended('a'));
      expect(deeds).toEqual(['a external while loaded']);
    },
  );

  it('that nobody waits for is asked to go, and its end is still our doing', async () => {
    const { hands, unload, desk, deeds } = aRouter('a');
    script(hands, async () => ok('accepted'));
    expect(await unload(['a'], { wait: false })).toEqual([{ model: 'a', result: 'asked' }]);
    desk.event(ended('a'));
    expect(deeds).toEqual(['a requested while loaded']);
  });
});

describe('without an answer', () => {
  it('it failed, and what follows is not our doing', async () => {
    const { hands, unload, desk, deeds } = aRouter('a');
    script(hands, async () => failed(UNREACHABLE));
    expect(await unload()).toEqual([{ model: 'a', result: 'failed', detail: UNREACHABLE.message }]);
    desk.event(ended('a'));
    expect(deeds).toEqual(['a external while loaded']);
  });

  it('a look shows whether it was done all the same', async () => {
    const { hands, unload, desk, deeds } = aRouter('a');
    script(hands, async () => failed(TIMEOUT));
    hands.refresh = async () => {
      desk.listed(aListing(listed('a', 'unloaded', { instance: 1 })));
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
    expect(deeds).toEqual(['a requested while loaded']);
  });

  it('its event shows that it was done all the same', async () => {
    const { hands, unload } = aRouter('a');
    script(hands, async () => {
      hands.desk.event(ended('a'));
      return failed(TIMEOUT);
    });
    expect(await unload(['a'], { wait: false })).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
  });

  it('the others are unloaded all the same', async () => {
    const { hands, unload } = aRouter('a', 'b', 'c');
    script(hands, async (model) => {
      if (model === 'b') return failed(TIMEOUT);
      hands.later(50, ended(model));
      return ok('accepted');
    });
    expect((await unload()).map(({ result }) => result)).toEqual(['unloaded', 'failed', 'unloaded']);
  });
});

describe('two who ask for the same', () => {
  it('both see it go, and the refusal of one does not take the other’s word back', async () => {
    const { clock, hands, desk, deeds } = aRouter('a');
    let asked = 0;
    script(hands, async () => {
      asked += 1;
      return asked === 1 ? ok('accepted') : ok('not_running');
    });
    const options = { timeoutMs: 60_000, wait: true };
    const first = runUnload(['a'], hands, clock, options);
    await clock.advance(0);
    const second = runUnload(['a'], hands, clock, options);
    await clock.advance(0);
    desk.event(ended('a'));
    expect(await first).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
    expect(await second).toEqual([{ model: 'a', result: 'already_unloaded' }]);
    expect(deeds).toEqual(['a requested while loaded']);
  });

  it('an event of another router’s model of that name is not this one’s', async () => {
    const { clock, store, hands } = aRouter('a');
    const other = createScriptedHands(clock, store, 'other', 'a');
    script(hands, async () => ok('accepted'));
    const running = runUnload(['a'], hands, clock, { timeoutMs: 500, wait: true });
    await clock.advance(0);
    other.desk.event(ended('a'));
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
    script(hands, async (model) => {
      underway += 1;
      most = Math.max(most, underway);
      const ms = 200 - 10 * many.indexOf(model);
      hands.later(ms, ended(model));
      hands.onTransition((transition) => {
        if (transition.kind !== 'model' || transition.model !== model) return;
        if (transition.change.kind === 'unloaded') underway -= 1;
      });
      return ok('accepted');
    });
    expect((await unload()).map(({ model }) => model)).toEqual(many);
    expect(most).toBe(8);
    expect(hands.asked).toEqual(many);
  });

  it('are told of as each is done', async () => {
    const { hands, unload } = aRouter('a', 'b');
    script(hands, async (model) => {
      hands.later(model === 'a' ? 500 : 100, ended(model));
      return ok('accepted');
    });
    const told: string[] = [];
    await unload(['a', 'b'], { onResult: ({ model }) => told.push(model) });
    expect(told).toEqual(['b', 'a']);
  });

  it('may be none', async () => {
    expect(await aRouter().unload([])).toEqual([]);
  });
});
