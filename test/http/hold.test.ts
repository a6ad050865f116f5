import { describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { createHolds } from '../../src/hold/holds.ts';
import { createApp } from '../../src/http/app.ts';
import { aLog } from '../support/a-log.ts';
import { aListing, listed } from '../support/a-model.ts';
import { appParts } from '../support/app-parts.ts';
import { addRouter, driven } from '../support/driven-router.ts';
import { anEmptyFleet } from '../support/fleets.ts';

/** Time stands still at 2023-11-14T22:13:20Z. */
function holding(routers: readonly string[] = ['gpu-box', 'attic'], rules = { max: 3600, enforce: false }) {
  const { store, clock } = anEmptyFleet();
  for (const name of routers) {
    const models = [
      listed('awake', 'loaded', { aliases: ['default'] }),
      listed('asleep', 'sleeping'),
      listed('on disk', 'unloaded'),
    ];
    addRouter(store, name, `http://${name}`).listed(aListing(...models));
  }
  const holds = createHolds(clock);
  const logged: string[] = [];
  const app = createApp(
    appParts(
      { store, clock },
      {
        holds,
        hold: rules,
        log: aLog((line) => logged.push(line)),
      },
    ),
  );
  return { store, clock, holds, logged, http: supertest(app) };
}

const put = ({ http }: ReturnType<typeof holding>, body: object) => http.put('/api/v1/hold').send(body);

const TRAINING = {
  router: 'gpu-box',
  since: '2023-11-14T22:13:20.000Z',
  until: '2023-11-14T22:23:20.000Z',
  reason: 'training',
  by: 'loopback',
  enforce: false,
};

const problemOf = ({ status, text }: supertest.Response) => {
  const { title, detail } = JSON.parse(text);
  return [status, title, detail];
};

describe('/api/v1/hold', () => {
  it('keeps the memory of a router free, shows it, and releases it', async () => {
    const given = holding();
    const placed = await put(given, { routers: ['gpu-box'], seconds: 600, reason: ' training ' });
    expect([placed.status, placed.body]).toEqual([200, { holds: [TRAINING] }]);
    expect((await given.http.get('/api/v1/hold')).body).toEqual({ holds: [TRAINING] });
    expect((await given.http.get('/api/v1/hold?router=attic')).body).toEqual({ holds: [] });
    expect((await given.http.get('/api/v1/hold?router=gpu-box')).body).toEqual({ holds: [TRAINING] });
    const released = await given.http.delete('/api/v1/hold?router=gpu-box');
    expect([released.status, released.body]).toEqual([200, { released: [TRAINING] }]);
    const again = await given.http.delete('/api/v1/hold?router=gpu-box');
    expect([again.status, again.body]).toEqual([200, { released: [] }]);
  });

  it('holds and releases all routers when none is named', async () => {
    const given = holding();
    await put(given, { until: '2023-11-14T23:00:00+00:00' });
    expect(
      given.holds.all().map(({ router, until }) => [router, new Date(given.clock.wall(until)).toISOString()]),
    ).toEqual([
      ['gpu-box', '2023-11-14T23:00:00.000Z'],
      ['attic', '2023-11-14T23:00:00.000Z'],
    ]);
    await given.http.delete('/api/v1/hold');
    expect(given.holds.all()).toEqual([]);
  });

  it('enforces as the request says, or by default as configured', async () => {
    const given = holding(undefined, { max: 3600, enforce: true });
    await put(given, { routers: ['gpu-box'], seconds: 60 });
    await put(given, { routers: ['attic'], seconds: 60, enforce: false });
    expect(given.holds.all().map(({ enforce }) => enforce)).toEqual([true, false]);
  });

  it('answers the active hold, which may be a longer one of another caller', async () => {
    const given = holding(['gpu-box']);
    const until = given.clock.now() + 600_000;
    given.holds.place({ router: 'gpu-box', until, reason: 'training', by: 'alice', enforce: false }, true);
    const { body } = await put(given, { seconds: 60, reason: 'a game' });
    expect(body).toEqual({ holds: [{ ...TRAINING, by: 'alice' }] });
  });

  it('expires at the stated time', async () => {
    const given = holding();
    await put(given, { seconds: 60 });
    given.clock.jump(60_000);
    expect((await given.http.get('/api/v1/hold')).body).toEqual({ holds: [] });
  });

  const HOW_LONG = '✖ give either seconds or until (a time such as 2026-08-14T14:05:00Z)';
  it.each<[object, number, string, string]>([
    [{}, 400, 'Bad hold', HOW_LONG],
    [{ seconds: 60, until: '2023-11-14T23:00:00Z' }, 400, 'Bad hold', HOW_LONG],
    [{ seconds: 0 }, 400, 'Bad hold', '✖ Too small: expected number to be >=1\n  → at seconds'],
    [{ seconds: '60' }, 400, 'Bad hold', '✖ Invalid input: expected number, received string\n  → at seconds'],
    [{ seconds: 60, secnods: 1 }, 400, 'Bad hold', '✖ Unrecognized key: "secnods"'],
    [{ until: 'tomorrow' }, 400, 'Bad hold', '✖ Invalid ISO datetime\n  → at until'],
    [
      { seconds: 60, reason: 'two\nlines' },
      ...([400, 'Bad hold', '✖ must be one line without control characters\n  → at reason'] as const),
    ],
    [
      { until: '2023-11-14T22:13:20Z' },
      400,
      'Bad hold',
      'until is 2023-11-14T22:13:20Z, which is in the past: the time here is 2023-11-14T22:13:20.000Z.',
    ],
    [
      { seconds: 3601 },
      400,
      'Bad hold',
      'A hold may last 1h at most: shorten it, or raise hold.max in the configuration.',
    ],
    [
      { seconds: 60, routers: ['gpu-box', 'celler'] },
      404,
      'Unknown router',
      'No router is named celler. The routers are: gpu-box, attic.',
    ],
  ])('refuses %j, and holds nothing', async (body, ...problem) => {
    const given = holding();
    expect(problemOf(await put(given, body))).toEqual(problem);
    expect(given.holds.all()).toEqual([]);
  });

  it.each(['?router=', '?ruoter=gpu-box', '?router=a&router=b'])(
    'does not guess what %s means',
    async (query) => {
      const given = holding();
      await put(given, { seconds: 60 });
      expect((await given.http.get(`/api/v1/hold${query}`)).status).toBe(400);
      expect((await given.http.delete(`/api/v1/hold${query}`)).status).toBe(400);
      expect(given.holds.all()).toHaveLength(2);
    },
  );

  it.each(['get', 'delete'] as const)('%s says that a router is unknown', async (method) => {
    const answer = await holding().http[method]('/api/v1/hold?router=celler');
    expect(problemOf(answer)).toEqual([
      ...[404, 'Unknown router', 'No router is named celler. The routers are: gpu-box, attic.'],
    ]);
  });
});

describe('/api/v1/gate', () => {
  const WHY = 'GPU memory of gpu-box is kept free until 22:24 UTC for training (requested by loopback).';

  it('is open without a hold', async () => {
    const { status, text, headers } = await holding(['gpu-box']).http.get('/api/v1/gate');
    expect([status, text, headers['cache-control']]).toEqual([204, '', 'no-store']);
  });

  it.each(['get', 'head'] as const)('%s: is closed during a hold, and says until when', async (method) => {
    const given = holding(['gpu-box']);
    await put(given, { seconds: 600, reason: 'training' });
    const { status, headers, text } = await given.http[method]('/api/v1/gate');
    expect([status, headers['retry-after'], headers['content-type']]).toEqual([
      ...[503, '600', 'application/problem+json; charset=utf-8'],
    ]);
    expect(JSON.parse(headers['x-gate-error'] ?? '')).toEqual({
      error: { code: 503, message: WHY, type: 'unavailable_error' },
    });
    if (method === 'head') return expect(text).toBeUndefined();
    expect(JSON.parse(text)).toEqual({
      ...{ type: 'about:blank', title: 'Memory is kept free', status: 503, detail: WHY },
    });
  });

  it('carries any reason in a header, as JSON in ASCII', async () => {
    const given = holding(['gpu-box']);
    const reason = '"Übung" \\ 🦙';
    await put(given, { seconds: 600, reason });
    const { headers } = await given.http.get('/api/v1/gate');
    expect(headers['x-gate-error']).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(headers['x-gate-error'] ?? '').error.message).toContain(`for ${reason} (`);
  });

  it.each<[string, number]>([
    ['', 503],
    ['model=', 503],
    ['model=awake', 204],
    ['model=default', 204],
    ['model=asleep', 503],
    ['model=on%20disk', 503],
    ['model=on+disk', 503],
    ['model=unknown', 503],
    ['model=%E0%A4%A', 503],
  ])('of a held router for %s answers %d', async (query, status) => {
    const given = holding();
    await put(given, { routers: ['gpu-box'], seconds: 600 });
    expect((await given.http.get(`/api/v1/gate?router=gpu-box&${query}`)).status).toBe(status);
    expect((await given.http.get(`/api/v1/gate?router=attic&${query}`)).status).toBe(204);
  });

  it('ignores the last known models of a router that is down', async () => {
    const given = holding(['gpu-box']);
    await put(given, { seconds: 600 });
    driven(given.store, 'gpu-box').failed({ kind: 'unreachable', message: 'gone' });
    expect((await given.http.get('/api/v1/gate?model=awake')).status).toBe(503);
  });

  it.each<[string[], string, number, string, string]>([
    [
      ['gpu-box'],
      '?router=celler',
      404,
      'Unknown router',
      'No router is named celler. The routers are: gpu-box.',
    ],
    [['gpu-box', 'attic'], '', 400, 'Which router?', 'Add ?router=NAME. The routers are gpu-box, attic.'],
    [
      ['gpu-box'],
      '?router=attic&router=gpu-box',
      400,
      'Which router?',
      'The query names more than one router: name one.',
    ],
    [
      ['gpu-box', 'attic'],
      '?router=',
      400,
      'Which router?',
      'Add ?router=NAME. The routers are gpu-box, attic.',
    ],
    [[], '', 400, 'Which router?', 'No router is configured.'],
  ])('of %j with %j is a problem', async (routers, query, ...problem) => {
    const given = holding(routers);
    expect(problemOf(await given.http.get(`/api/v1/gate${query}`))).toEqual(problem);
    expect(given.logged).toEqual([]);
  });
});

describe('the page', () => {
  it('shows end, reason and caller of a hold', async () => {
    const given = holding();
    await put(given, { routers: ['gpu-box'], seconds: 600, reason: 'a <b>old</b> run', enforce: true });
    const { text } = await given.http.get('/');
    expect(text.match(/<p class="hold">.*<\/p>/g)).toEqual([
      '<p class="hold">GPU memory is <strong>kept free</strong> until <time datetime="2023-11-14T22:23:20.000Z">22:24 UTC</time> for a &#60;b&#62;old&#60;/b&#62; run (requested by loopback). Models loaded during the hold are unloaded when they are idle. <button type="button" class="act" data-act="release" data-router="gpu-box" aria-label="Release the hold on gpu-box">Release</button></p>',
    ]);
    await given.http.delete('/api/v1/hold');
    given.clock.jump(250);
    expect((await given.http.get('/')).text).not.toContain('class="hold"');
  });
});
