import { describe, expect, it } from '@jest/globals';
import { failed, ok } from '../../src/lib/result.ts';
import { ROUTER_TRAITS } from '../../src/models/server-traits.ts';
import { createStore } from '../../src/models/store.ts';
import { createRuns } from '../../src/unload/operation.ts';
import type { ModelResult } from '../../src/unload/report.ts';
import { runOnRouter } from '../../src/unload/run.ts';
import { aListing, begun, ended, listed, recordChanges, turned } from '../support/a-model.ts';
import { aRequest } from '../support/a-request.ts';
import { createScriptedControl } from '../support/scripted-control.ts';
import { TIMEOUT, UNREACHABLE } from '../support/scripted-feed.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

type Wish = Parameters<typeof aRequest>[0];

/** A router with these models loaded, and runs of unloads on it. */
function aRouter(...loaded: string[]) {
  const clock = createSteppedClock();
  const store = createStore(clock, { reloadWindowMs: 0 });
  const control = createScriptedControl(clock, store, 'router', ...loaded);
  const transitions = recordChanges(store);

  /** `results` fills as they are known. */
  function start(models: readonly string[], wish: Wish = {}) {
    const request = aRequest({ models, ...wish });
    const results: ModelResult[] = [];
    const context = { clock, measure: async () => undefined, stopWatching: new AbortController().signal };
    const [run] = createRuns([{ control, request }], context, {
      onProgress: (_, entry) => {
        if (entry.result !== null) results.push(entry);
      },
    });
    if (run === undefined) throw new Error('the operation has no run');
    return { results, run, done: runOnRouter(run) };
  }

  /** The results in the order of `models`, after at most ten minutes; no timer is left. */
  async function unload(models: string[] = loaded, wish: Wish = {}): Promise<ModelResult[]> {
    const { results, done } = start(models, wish);
    let ended = false;
    void done.then(() => {
      ended = true;
    });
    for (let seconds = 0; !ended && seconds < 600; seconds += 1) await clock.advance(1000);
    await done;
    await clock.advance(1000);
    expect(clock.pending()).toBe(0);
    return models.flatMap((model) => results.filter((result) => result.model === model));
  }

  return { clock, store, control, entry: control.entry, transitions, start, unload };
}

describe('a model', () => {
  it('is unloaded when its event arrives, not when the router accepts the order', async () => {
    const { control, unload, transitions } = aRouter('a');
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect(transitions).toEqual(['a requested while loaded']);
    expect(control.refreshes).toBe(1);
  });

  it('is unloaded when its event arrives before the answer', async () => {
    const { control, unload, transitions, entry } = aRouter('a');
    control.order = async () => {
      entry.event(ended('a'));
      return ok('accepted');
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
    expect(transitions).toEqual(['a requested while loaded']);
  });

  it('is unloaded when a listing shows it, requested once a second without events', async () => {
    const { clock, control, unload, entry, transitions } = aRouter('a');
    control.order = async () => ok('accepted');
    const goneAt = clock.now() + 2500;
    control.refresh = async () => {
      control.refreshes += 1;
      const status = clock.now() < goneAt ? 'loaded' : 'unloaded';
      entry.listed(aListing(listed('a', status, { instance: 1 })));
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 3 }]);
    expect(control.refreshes).toBe(4);
    expect(transitions).toEqual(['a requested while loaded']);
  });

  it('is unloaded when it vanishes from the listing', async () => {
    const { clock, control, unload, entry } = aRouter('a');
    control.order = async () => {
      clock.after(100, () => entry.listed(aListing()));
      return ok('accepted');
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.1 }]);
  });

  it('is unloaded when it is loaded again at once', async () => {
    const { control, unload } = aRouter('a');
    control.order = async () => {
      control.later(50, ended('a'), begun('a'), turned('a', 'loaded'));
      return ok('accepted');
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
  });

  it('is unloaded when a listing shows another process of it', async () => {
    const { control, unload, entry } = aRouter('a');
    control.order = async () => ok('accepted');
    control.refresh = async () => {
      if (control.ordered.length > 0) entry.listed(aListing(listed('a', 'loaded', { instance: 2 })));
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 1 }]);
  });

  it.each([
    ['', []],
    [' and loads again', [begun('a')]],
  ])('that the router kills%s is forced, not crashed', async (_, then) => {
    const { control, unload, transitions } = aRouter('a');
    control.order = async () => {
      control.later(10_000, ended('a', 1), ...then);
      return ok('accepted');
    };
    const detail = 'it did not stop by itself and was killed';
    expect(await unload()).toEqual([{ model: 'a', result: 'forced', seconds: 10, detail }]);
    expect(transitions).toEqual(['a requested by force while loaded']);
  });

  it('that is still loading is killed by force, which counts as unloaded', async () => {
    const { control, unload, entry, transitions } = aRouter();
    entry.event(begun('a'));
    control.order = async () => {
      control.later(20, ended('a', 1));
      return ok('accepted');
    };
    expect(await unload(['a'], { whenBusy: 'force' })).toEqual([
      { model: 'a', result: 'unloaded', seconds: 0.02 },
    ]);
    expect(transitions).toEqual(['a appeared', 'a requested while loading']);
    expect(entry.state.models.get('a')?.lifecycle.loadFailed).toBe(false);
  });

  it('that stays is a timeout, and its later end is still attributed to the request', async () => {
    const { control, unload, entry, transitions } = aRouter('a');
    control.order = async () => ok('accepted');
    const detail = 'the server accepted the order, but the model was still running after 5 s';
    expect(await unload(['a'], { timeoutMs: 5000 })).toEqual([
      { model: 'a', result: 'timeout', seconds: 5, detail },
    ]);
    entry.event(ended('a', 1));
    expect(transitions).toEqual(['a requested by force while loaded']);
  });

  it('of a router that goes down during the unload is a timeout with that reason', async () => {
    const { control, unload, entry } = aRouter('a');
    control.order = async () => ok('accepted');
    control.refresh = async () => {
      if (control.ordered.length > 0) entry.failed(UNREACHABLE);
    };
    const detail = `the server accepted the order, but then became unreachable: ${UNREACHABLE.message}`;
    expect(await unload(['a'], { timeoutMs: 5000 })).toEqual([
      { model: 'a', result: 'timeout', seconds: 5, detail },
    ]);
  });

  it.each([
    ['not_running', { model: 'a', result: 'already_unloaded' }],
    ['unknown_model', { model: 'a', result: 'failed', detail: 'the server no longer knows it' }],
  ] as const)(
    'whose order is answered with %s is settled, and its later end is external',
    async (answer, result) => {
      const { control, unload, entry, transitions } = aRouter('a');
      control.order = async () => ok(answer);
      expect(await unload()).toEqual([result]);
      entry.event(ended('a'));
      expect(transitions).toEqual(['a external while loaded']);
    },
  );

  it('is only asked to go without verification, and its end is still attributed to the request', async () => {
    const { control, unload, entry, transitions } = aRouter('a');
    control.order = async () => ok('accepted');
    expect(await unload(['a'], { verify: false })).toEqual([{ model: 'a', result: 'asked' }]);
    entry.event(ended('a'));
    expect(transitions).toEqual(['a requested while loaded']);
  });

  it('is probed last, directly before its order, while no other order goes to the router', async () => {
    const { control, unload } = aRouter('a');
    const steps: string[] = [];
    const { probe, unload: order } = control;
    control.exclusive = async (work) => {
      steps.push('lock');
      return work().finally(() => steps.push('release'));
    };
    control.probe = (model) => {
      steps.push('probe');
      return probe(model);
    };
    control.unload = (model) => {
      steps.push('order');
      return order(model);
    };
    await unload();
    expect(steps).toEqual(['lock', 'probe', 'order', 'release']);
  });

  it('that sleeps is idle and is not probed', async () => {
    const { control, unload, entry } = aRouter('a');
    entry.event(turned('a', 'sleeping'));
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect(control.asked).toEqual([]);
  });

  it('that is still loading is unloaded when it is loaded and idle', async () => {
    const { control, start, entry, clock } = aRouter();
    entry.event(begun('a'));
    const { run, results } = start(['a']);
    await clock.advance(4000);
    expect(run.result.models).toEqual([{ model: 'a', result: null, detail: 'it is still loading' }]);
    entry.event(turned('a', 'loaded'));
    await clock.advance(1000);
    expect(results).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect(control.asked).toEqual(['a']);
  });

  it('whose probe shows recent activity is kept when only idle models are selected', async () => {
    const { control, unload, entry, clock } = aRouter('a');
    const reading = (lastAt: number) => ({ busy: false, watchedAt: 0, work: 1, lastAt });
    entry.activity('a', reading(clock.now()));
    await clock.advance(600_000);
    control.probe = async () => {
      entry.activity('a', reading(clock.now() - 2000));
      return { kind: 'idle' };
    };
    expect(await unload(['a'], { idleForMs: 300_000 })).toEqual([
      { model: 'a', result: 'kept', detail: 'it was active 2s ago' },
    ]);
    expect(control.ordered).toEqual([]);
  });

  it('of the same name on another router is a different model', async () => {
    const { clock, store, control, start } = aRouter('a');
    const other = createScriptedControl(clock, store, 'other', 'a');
    control.order = async () => ok('accepted');
    const { results } = start(['a'], { timeoutMs: 500 });
    await clock.advance(0);
    other.entry.event(ended('a'));
    await clock.advance(500);
    expect(results).toMatchObject([{ result: 'timeout' }]);
  });
});

describe('without an answer to the order, a model', () => {
  it('failed, and its later end is external', async () => {
    const { control, unload, entry, transitions } = aRouter('a');
    control.order = async () => failed(UNREACHABLE);
    expect(await unload()).toEqual([{ model: 'a', result: 'failed', detail: UNREACHABLE.message }]);
    entry.event(ended('a'));
    expect(transitions).toEqual(['a external while loaded']);
  });

  it('is unloaded when a listing shows it', async () => {
    const { control, unload, entry, transitions } = aRouter('a');
    control.order = async () => failed(TIMEOUT);
    control.refresh = async () => {
      if (control.ordered.length > 0) entry.listed(aListing(listed('a', 'unloaded', { instance: 1 })));
    };
    expect(await unload()).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
    expect(transitions).toEqual(['a requested while loaded']);
  });

  it('is unloaded when its event shows it', async () => {
    const { control, unload } = aRouter('a');
    control.order = async () => {
      control.entry.event(ended('a'));
      return failed(TIMEOUT);
    };
    expect(await unload(['a'], { verify: false })).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
  });

  it('does not stop the unload of the others', async () => {
    const { control, unload } = aRouter('a', 'b', 'c');
    control.order = async (model) => {
      if (model === 'b') return failed(TIMEOUT);
      control.later(50, ended(model));
      return ok('accepted');
    };
    expect((await unload()).map(({ result }) => result)).toEqual(['unloaded', 'failed', 'unloaded']);
  });
});

describe('a busy model', () => {
  const generating = { kind: 'busy' } as const;

  it('is unloaded in the first gap between its requests, and probed four times a second until then', async () => {
    const { clock, control, start } = aRouter('a');
    control.doing.set('a', generating);
    const { run, results } = start(['a']);
    await clock.advance(30_100);
    expect(run.result.models).toEqual([{ model: 'a', result: null, detail: 'it is generating' }]);
    control.doing.delete('a');
    await clock.advance(500);
    expect(results).toEqual([{ model: 'a', result: 'unloaded', seconds: 0.05 }]);
    expect([control.ordered, control.asked.length]).toEqual([['a'], 122]);
  });

  it('is reported as busy when it stays busy for the whole timeout', async () => {
    const { control, unload, transitions } = aRouter('a');
    control.doing.set('a', generating);
    expect(await unload(['a'], { busyTimeoutMs: 90_000 })).toEqual([
      { model: 'a', result: 'busy', detail: 'it is generating, still after 1m30s' },
    ]);
    expect([control.ordered, transitions]).toEqual([[], []]);
  });

  it('is skipped after one probe with when_busy skip', async () => {
    const { control, unload } = aRouter('a');
    control.doing.set('a', generating);
    expect(await unload(['a'], { whenBusy: 'skip' })).toEqual([
      { model: 'a', result: 'busy', detail: 'it is generating' },
    ]);
    expect([control.asked, control.ordered]).toEqual([['a'], []]);
  });

  it('is unloaded without a probe with when_busy force', async () => {
    const { control, unload } = aRouter('a');
    control.doing.set('a', generating);
    expect(await unload(['a'], { whenBusy: 'force' })).toEqual([
      { model: 'a', result: 'unloaded', seconds: 0.05 },
    ]);
    expect(control.asked).toEqual([]);
  });

  it('does not delay idle models', async () => {
    const busy = ['b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7', 'b8', 'b9'];
    const { control, unload, transitions, clock } = aRouter(...busy, 'a');
    for (const model of busy) control.doing.set(model, generating);
    const startedAt = clock.now();
    control.onTransition(({ at }) => expect(at).toBe(startedAt + 50));
    const results = await unload([...busy, 'a'], { busyTimeoutMs: 60_000 });
    expect(results.map(({ result }) => result)).toEqual([...busy.map(() => 'busy'), 'unloaded']);
    expect(transitions).toEqual(['a requested while loaded']);
  });

  it('that stops by itself is not unloaded any more', async () => {
    const { control, unload, entry, clock, transitions } = aRouter('a');
    control.doing.set('a', generating);
    clock.after(5000, () => entry.event(ended('a')));
    expect(await unload()).toEqual([
      { model: 'a', result: 'already_unloaded', detail: 'it stopped by itself' },
    ]);
    expect(transitions).toEqual(['a external while loaded']);
  });

  it('fails as soon as its router goes down', async () => {
    const { control, start, entry, clock } = aRouter('a');
    entry.event(begun('b'));
    control.doing.set('a', generating);
    const { results } = start(['a', 'b']);
    await clock.advance(1000);
    entry.failed(UNREACHABLE);
    await clock.advance(250);
    expect(results.map(({ result, detail }) => [result, detail])).toEqual([
      ['failed', UNREACHABLE.message],
      ['failed', UNREACHABLE.message],
    ]);
    expect([control.ordered, clock.pending()]).toEqual([[], 0]);
  });
});

describe('a model that does not answer its probe', () => {
  const silent = { kind: 'unknown', why: 'busy state unknown: no answer', lasting: false } as const;

  it('counts as busy and is probed again', async () => {
    const { control, unload, clock } = aRouter('a');
    control.doing.set('a', silent);
    clock.after(3000, () => control.doing.delete('a'));
    expect(await unload()).toMatchObject([{ result: 'unloaded' }]);
  });

  it('fails at once when another probe will not help', async () => {
    const { control, unload } = aRouter('a');
    control.doing.set('a', { ...silent, lasting: true });
    expect(await unload()).toEqual([{ model: 'a', result: 'failed', detail: silent.why }]);
    expect(control.asked).toEqual(['a']);
  });

  it.each(['skip', 'wait'] as const)(
    'fails when its router does not answer either (%s)',
    async (whenBusy) => {
      const { control, unload, entry } = aRouter('a');
      control.doing.set('a', silent);
      control.refresh = async () => {
        if (control.asked.length > 0) entry.failed(TIMEOUT);
      };
      expect(await unload(['a'], { whenBusy })).toEqual([
        { model: 'a', result: 'failed', detail: TIMEOUT.message },
      ]);
      expect(control.asked).toEqual(['a']);
    },
  );
});

it('two runs for one model both end, and the refusal of one does not cancel the pending mark of the other', async () => {
  const { clock, control, entry, transitions, start } = aRouter('a');
  control.order = async () => (control.ordered.length === 1 ? ok('accepted') : ok('not_running'));
  const first = start(['a']);
  await clock.advance(0);
  const second = start(['a']);
  await clock.advance(0);
  entry.event(ended('a'));
  await Promise.all([first.done, second.done]);
  expect(first.results).toEqual([{ model: 'a', result: 'unloaded', seconds: 0 }]);
  expect(second.results).toEqual([{ model: 'a', result: 'already_unloaded' }]);
  expect(transitions).toEqual(['a requested while loaded']);
});

describe('many models', () => {
  const many = Array.from({ length: 20 }, (_, index) => `m${index}`);

  it('are unloaded eight at once, in the given order', async () => {
    const { control, unload } = aRouter(...many);
    let running = 0;
    let most = 0;
    control.order = async (model) => {
      running += 1;
      most = Math.max(most, running);
      control.later(200 - 10 * many.indexOf(model), ended(model));
      control.onTransition((transition) => {
        if (transition.kind !== 'model' || transition.model !== model) return;
        if (transition.change.kind === 'unloaded') running -= 1;
      });
      return ok('accepted');
    };
    expect((await unload()).map(({ result }) => result)).toEqual(many.map(() => 'unloaded'));
    expect([most, control.ordered]).toEqual([8, many]);
  });

  it('are unloaded until the target is met; others take the place of those that are busy', async () => {
    const { control, entry, unload } = aRouter('a', 'b', 'c');
    const sizes = [8, 5, 5];
    entry.listed(
      aListing(
        ...['a', 'b', 'c'].map((id, index) =>
          listed(id, 'loaded', { instance: 1, facts: { sizeBytes: sizes[index] ?? 0 } }),
        ),
      ),
    );
    control.doing.set('a', { kind: 'busy' });
    expect(await unload(['a', 'b', 'c'], { whenBusy: 'skip', target: { freeBytes: 5 } })).toMatchObject([
      { model: 'a', result: 'busy' },
      { model: 'b', result: 'unloaded' },
      { model: 'c', result: 'kept', detail: 'enough memory is freed without it' },
    ]);
    expect(control.ordered).toEqual(['b']);
  });

  it('are reported as each is done', async () => {
    const { control, clock, start } = aRouter('a', 'b');
    control.order = async (model) => {
      control.later(model === 'a' ? 500 : 100, ended(model));
      return ok('accepted');
    };
    const { results } = start(['a', 'b']);
    await clock.advance(500);
    expect(results.map(({ model }) => model)).toEqual(['b', 'a']);
  });

  it('may be none', async () => {
    expect(await aRouter().unload([])).toEqual([]);
  });
});

describe('on a server that holds up everything during an unload, models', () => {
  /** It answers when the process is gone, after `ms`. */
  function aServer(ms: number, ...loaded: string[]) {
    const router = aRouter(...loaded);
    const { control, entry, clock } = router;
    entry.state.traits = { ...ROUTER_TRAITS, evictsBy: 'rules', unloadsAtOnce: 1, activity: 'reported' };
    let running = 0;
    control.order = async (model) => {
      running += 1;
      expect(running).toBe(1);
      entry.event(turned(model, 'unloading'));
      await new Promise<void>((resolve) => clock.after(ms, resolve));
      entry.event(turned(model, 'unloaded', { ending: 'clean' }));
      running -= 1;
      return ok('gone');
    };
    return router;
  }

  it('are unloaded one after the other, the busy ones last', async () => {
    const { control, entry, unload, transitions } = aServer(3000, 'a', 'b', 'c');
    entry.event({ name: 'inflight', kind: 'work', model: 'a', inFlight: 1 });
    expect(await unload(['a', 'b', 'c'], { whenBusy: 'force' })).toEqual([
      { model: 'a', result: 'unloaded', seconds: 3 },
      { model: 'b', result: 'unloaded', seconds: 3 },
      { model: 'c', result: 'unloaded', seconds: 3 },
    ]);
    expect(control.ordered).toEqual(['b', 'c', 'a']);
    expect(transitions).toEqual(['b', 'c', 'a'].map((model) => `${model} requested while loaded`));
  });

  it('are unloaded while others are waited for', async () => {
    const { control, clock, unload } = aServer(100, 'a', 'b');
    control.doing.set('a', { kind: 'busy' });
    clock.after(5000, () => control.doing.delete('a'));
    expect(await unload()).toMatchObject([{ result: 'unloaded' }, { result: 'unloaded' }]);
    expect(control.ordered).toEqual(['b', 'a']);
  });

  it('that are said to be gone are looked up', async () => {
    const { control, entry, unload } = aServer(100, 'a', 'b');
    control.order = async () => ok('gone');
    control.refresh = async () => {
      if (control.ordered.includes('a'))
        entry.listed(aListing(listed('a', 'unloaded'), listed('b', 'loaded')));
    };
    const [a, b] = await unload(['a', 'b'], { timeoutMs: 5000 });
    expect(a).toEqual({ model: 'a', result: 'unloaded', seconds: 0 });
    expect(b).toMatchObject({
      result: 'timeout',
      detail: expect.stringContaining('still running after 5 s'),
    });
  });

  it('that another client is unloading are waited for, and not ordered away again', async () => {
    const { control, clock, entry, unload, transitions } = aServer(100, 'a');
    entry.event(turned('a', 'unloading'));
    clock.after(9000, () => entry.event(turned('a', 'unloaded', { ending: 'clean' })));
    expect(await unload(['a'], { whenBusy: 'force' })).toEqual([
      { model: 'a', result: 'already_unloaded', detail: 'it stopped by itself' },
    ]);
    expect(control.ordered).toEqual([]);
    expect(transitions).toEqual(['a external while loaded']);
  });
});
