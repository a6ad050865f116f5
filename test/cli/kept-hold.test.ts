import { describe, expect, it } from '@jest/globals';
import { UnreachableError } from '../../src/cli/exit-codes.ts';
import { type KeptHoldTerms, keepHold } from '../../src/cli/kept-hold.ts';
import type { HoldBody, RemoteHolds } from '../../src/cli/remote-exporter.ts';
import type { HoldView } from '../../src/http/view-schemas.ts';
import { anOperation } from '../support/an-operation.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

const BODY: HoldBody = { reason: 'training', need_bytes: 5, unload: 'enough', restore: true };

/** A hold that is kept for a ttl of 60 s, and an exporter of which a test says how it answers. */
function keeping(more: { state?: HoldView['state']; longestMs?: number } = {}) {
  const clock = createSteppedClock();
  const asked: string[] = [];
  const said: string[] = [];
  const placed: HoldBody[] = [];
  const answers = {
    state: more.state ?? ('active' as HoldView['state']),
    renewal: 'renewed' as Awaited<ReturnType<RemoteHolds['renew']>>,
    isDown: false,
  };
  const ask = (what: string) => {
    if (answers.isDown) throw new UnreachableError('the exporter cannot be reached');
    asked.push(what);
  };
  const view = (id: string): HoldView => ({
    id,
    routers: ['gpu-box'],
    holder: 'alice',
    reason: '',
    until: '2026-08-14T14:05:00Z',
    state: answers.state,
    why: answers.state === 'failed' ? 'tiny-a is busy' : null,
    operation: 'op',
    by: 'alice',
    since: '2026-08-14T14:00:00Z',
    need_bytes: 5,
    unload: 'enough',
    when_busy: 'wait',
    restore: true,
    enforce: false,
  });
  const api: RemoteHolds = {
    async place(body) {
      ask(`place ${body.ttl_seconds}`);
      placed.push(body);
      return view(`hold-${placed.length}`);
    },
    async get(id) {
      await new Promise((resolve) => clock.after(500, () => resolve(undefined)));
      ask(`get ${id}`);
      return view(id);
    },
    standing: async () => [],
    async renew(id, seconds) {
      ask(`renew ${id} ${seconds}`);
      return answers.renewal;
    },
    async release(id) {
      ask(`release ${id}`);
      return view(id);
    },
    operation: async () => anOperation(),
    memory: () => Promise.reject(new Error('not asked')),
  };
  const terms: KeptHoldTerms = {
    ttlMs: 60_000,
    longestMs: more.longestMs,
    clock,
    say: (line) => void said.push(line),
    onProgress: () => void asked.push('progress'),
  };
  return { clock, asked, said, placed, answers, hold: keepHold(api, BODY, terms) };
}

describe('a kept hold', () => {
  it('is renewed every 20 s, and released once', async () => {
    const { clock, asked, said, hold } = keeping();
    expect(await hold.ready).toBeUndefined();
    await clock.advance(45_000);
    await hold.release();
    expect(asked).toEqual(['place 60', 'progress', 'renew hold-1 60', 'renew hold-1 60', 'release hold-1']);
    expect([said, clock.pending()]).toEqual([[], 0]);
  });

  it('is renewed while memory is being freed', async () => {
    const { clock, asked, answers, hold } = keeping({ state: 'preparing' });
    await clock.advance(59_000);
    answers.state = 'active';
    await clock.advance(1000);
    expect(await hold.ready).toBeUndefined();
    expect(asked.filter((what) => what.startsWith('renew'))).toHaveLength(3);
  });

  it('that fails says why, and is not renewed', async () => {
    const { clock, hold } = keeping({ state: 'failed' });
    expect([await hold.ready, clock.pending()]).toEqual(['tiny-a is busy', 0]);
  });

  it('that is released while memory is being freed is not ready', async () => {
    const { clock, answers, hold } = keeping({ state: 'preparing' });
    await clock.advance(1000);
    answers.state = 'ended';
    await clock.advance(1000);
    expect([await hold.ready, clock.pending()]).toEqual(['the hold was released', 0]);
  });

  it('lasts no longer than asked for', async () => {
    const { clock, asked, said, hold } = keeping({ longestMs: 90_000 });
    await hold.ready;
    await clock.advance(90_000);
    expect(asked.filter((what) => what.startsWith('renew'))).toEqual(['renew hold-1 60', 'renew hold-1 50']);
    expect([said, clock.pending()]).toEqual([['the hold ends now (--for): clients may load models'], 0]);
  });

  it('shorter than a ttl needs no renewal', async () => {
    const { clock, asked, hold } = keeping({ longestMs: 30_000 });
    await hold.ready;
    await clock.advance(29_999);
    expect(asked).toEqual(['place 30', 'progress']);
  });

  it('is not placed again after someone has released it', async () => {
    const { clock, said, placed, answers, hold } = keeping();
    await hold.ready;
    answers.renewal = 'ended';
    await clock.advance(300_000);
    expect([said, placed.length]).toEqual([['the hold was released: clients may load models'], 1]);
  });

  it('is placed again, without unloading, when the exporter has forgotten it', async () => {
    const { clock, asked, said, placed, answers, hold } = keeping();
    await hold.ready;
    answers.renewal = 'unknown';
    await clock.advance(20_000);
    answers.renewal = 'renewed';
    await clock.advance(20_000);
    await hold.release();
    expect(placed[1]).toEqual({
      reason: 'training',
      unload: 'none',
      restore: true,
      need_bytes: undefined,
      ttl_seconds: 60,
    });
    expect(said).toEqual([expect.stringContaining('was lost and has been placed again')]);
    expect(asked.slice(-2)).toEqual(['renew hold-2 60', 'release hold-2']);
  });

  it('is placed again when it has expired because this process was stopped', async () => {
    const { clock, placed, answers, hold } = keeping();
    await hold.ready;
    answers.isDown = true;
    await clock.advance(70_000);
    answers.isDown = false;
    answers.renewal = 'ended';
    await clock.advance(20_000);
    expect(placed).toHaveLength(2);
  });

  it('says once that the exporter cannot be reached, and is renewed when it is back', async () => {
    const { clock, asked, said, answers, hold } = keeping();
    await hold.ready;
    answers.isDown = true;
    await clock.advance(40_000);
    answers.isDown = false;
    await clock.advance(20_000);
    expect(said).toEqual(['the hold could not be renewed, and ends in 40s: the exporter cannot be reached']);
    expect(asked.at(-1)).toBe('renew hold-1 60');
  });

  it('is tried again after it could not be placed again', async () => {
    const { clock, placed, answers, hold } = keeping();
    await hold.ready;
    answers.renewal = 'unknown';
    answers.isDown = true;
    await clock.advance(20_000);
    answers.isDown = false;
    await clock.advance(20_000);
    expect(placed).toHaveLength(2);
  });

  it('that cannot be released says when it ends', async () => {
    const { said, answers, hold } = keeping();
    await hold.ready;
    answers.isDown = true;
    await hold.release();
    expect(said).toEqual(['the hold could not be released, and ends in 1m: the exporter cannot be reached']);
  });

  it('that is released while it is being placed is released afterwards', async () => {
    const { asked, hold } = keeping();
    await hold.release();
    expect(asked).toEqual(expect.arrayContaining(['place 60', 'release hold-1']));
  });
});
