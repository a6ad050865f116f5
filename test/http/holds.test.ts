import { describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { SWAP_TRAITS } from '../../src/backends/llama-swap/traits.ts';
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

const place = ({ http }: ReturnType<typeof holding>, body: object) => http.post('/api/v1/holds').send(body);

const TRAINING = {
  id: expect.any(String),
  routers: ['gpu-box'],
  holder: 'loopback',
  by: 'loopback',
  reason: 'training',
  since: '2023-11-14T22:13:20.000Z',
  until: '2023-11-14T22:23:20.000Z',
  state: 'active',
  why: null,
  need_bytes: null,
  unload: 'none',
  when_busy: 'wait',
  restore: false,
  enforce: false,
  operation: null,
};

const problemOf = ({ status, text }: supertest.Response) => {
  const { title, detail } = JSON.parse(text);
  return [status, title, detail];
};

const NO_HOLD = '/api/v1/holds/4f1f2f0e-5a53-4d8b-9a5e-0d2f6f1f7c11';

describe('/api/v1/holds', () => {
  it('keeps the memory of a router free, shows it, and releases it', async () => {
    const given = holding();
    const placed = await place(given, { routers: ['gpu-box'], ttl_seconds: 600, reason: ' training ' });
    expect([placed.status, placed.body]).toEqual([201, TRAINING]);
    const path = `/api/v1/holds/${placed.body.id}`;
    expect(placed.headers.location).toBe(path);
    expect((await given.http.get(path)).body).toEqual(placed.body);
    expect((await given.http.get('/api/v1/holds')).body).toEqual({ holds: [TRAINING] });
    expect((await given.http.get('/api/v1/holds?router=attic')).body).toEqual({ holds: [] });
    expect((await given.http.get('/api/v1/holds?router=gpu-box')).body).toEqual({ holds: [TRAINING] });
    for (const _ of ['once', 'again']) {
      const released = await given.http.delete(path);
      expect([released.status, released.body]).toEqual([200, { ...TRAINING, state: 'ended' }]);
    }
    expect((await given.http.get('/api/v1/holds')).body).toEqual({ holds: [] });
    expect((await given.http.get(path)).body).toMatchObject({ state: 'ended' });
  });

  it('holds all routers when none is named', async () => {
    const given = holding();
    const { body } = await place(given, { until: '2023-11-14T23:00:00+00:00', holder: 'nightly job' });
    expect(body).toMatchObject({
      routers: ['gpu-box', 'attic'],
      until: '2023-11-14T23:00:00.000Z',
      holder: 'nightly job',
      by: 'loopback',
    });
  });

  it('enforces as the request says, or by default as configured', async () => {
    const given = holding(undefined, { max: 3600, enforce: true });
    await place(given, { routers: ['gpu-box'], ttl_seconds: 60 });
    await place(given, { routers: ['attic'], ttl_seconds: 60, enforce: false });
    expect(given.holds.all().map(({ enforce }) => enforce)).toEqual([true, false]);
  });

  it('has several holds on one router; releasing one ends no other', async () => {
    const given = holding(['gpu-box']);
    const { body: first } = await place(given, { ttl_seconds: 600 });
    await place(given, { ttl_seconds: 60, reason: 'a game' });
    await given.http.delete(`/api/v1/holds/${first.id}`);
    expect((await given.http.get('/api/v1/holds')).body).toMatchObject({ holds: [{ reason: 'a game' }] });
    expect((await given.http.get('/api/v1/gate')).status).toBe(503);
  });

  it('is renewed, also to an earlier end', async () => {
    const given = holding();
    const { body } = await place(given, { ttl_seconds: 600 });
    given.clock.jump(60_000);
    const renewed = await given.http.patch(`/api/v1/holds/${body.id}`).send({ ttl_seconds: 60 });
    expect([renewed.status, renewed.body]).toEqual([200, { ...body, until: '2023-11-14T22:15:20.000Z' }]);
  });

  it('expires at the stated time; then it cannot be renewed', async () => {
    const given = holding();
    const { body } = await place(given, { ttl_seconds: 60 });
    given.clock.jump(60_000);
    expect((await given.http.get('/api/v1/holds')).body).toEqual({ holds: [] });
    const late = await given.http.patch(`/api/v1/holds/${body.id}`).send({ ttl_seconds: 60 });
    expect(problemOf(late)).toEqual([409, 'Hold not standing', 'The hold has ended: place a new one.']);
  });

  const HOW_LONG = '✖ give either ttl_seconds or until (a time such as 2026-08-14T14:05:00Z)';
  it.each<[object, number, string, string]>([
    [{}, 400, 'Bad hold', HOW_LONG],
    [{ ttl_seconds: 60, until: '2023-11-14T23:00:00Z' }, 400, 'Bad hold', HOW_LONG],
    [{ ttl_seconds: 0 }, 400, 'Bad hold', '✖ Too small: expected number to be >=1\n  → at ttl_seconds'],
    [
      { ttl_seconds: '60' },
      400,
      'Bad hold',
      '✖ Invalid input: expected number, received string\n  → at ttl_seconds',
    ],
    [{ ttl_seconds: 60, secnods: 1 }, 400, 'Bad hold', '✖ Unrecognized key: "secnods"'],
    [{ until: 'tomorrow' }, 400, 'Bad hold', '✖ Invalid ISO datetime\n  → at until'],
    [
      { ttl_seconds: 60, reason: 'two\nlines' },
      ...([400, 'Bad hold', '✖ must be one line without control characters\n  → at reason'] as const),
    ],
    [
      { ttl_seconds: 60, unload: 'enough' },
      ...([400, 'Bad hold', '✖ unload: enough requires need_bytes\n  → at unload'] as const),
    ],
    [
      { until: '2023-11-14T22:13:20Z' },
      400,
      'Bad hold',
      'until is 2023-11-14T22:13:20Z, which is in the past: the time here is 2023-11-14T22:13:20.000Z.',
    ],
    [
      { ttl_seconds: 3601 },
      400,
      'Bad hold',
      'A hold may last 1h at most: shorten it, or raise hold.max in the configuration.',
    ],
    [
      { ttl_seconds: 60, routers: ['gpu-box', 'celler'] },
      404,
      'Unknown router',
      'No router is named celler. The routers are: gpu-box, attic.',
    ],
    [
      { ttl_seconds: 60, need_bytes: 1 },
      409,
      'GPU memory not measured',
      'The GPU memory of gpu-box, attic is not measured here, which need_bytes requires: run the exporter on its host (llama-router-exporter doctor says more), or leave need_bytes out.',
    ],
  ])('refuses %j, and holds nothing', async (body, ...problem) => {
    const given = holding();
    expect(problemOf(await place(given, body))).toEqual(problem);
    expect(given.holds.all()).toEqual([]);
  });

  it.each(['?router=', '?ruoter=gpu-box', '?router=a&router=b'])(
    'does not guess what %s means',
    async (query) => {
      expect((await holding().http.get(`/api/v1/holds${query}`)).status).toBe(400);
    },
  );

  it('refuses at once to restore where nothing can be loaded again, and holds nothing', async () => {
    const service = holding();
    driven(service.store, 'attic').state.traits = SWAP_TRAITS;
    const hold = { ttl_seconds: 60, unload: 'all', wait: false };
    expect(problemOf(await place(service, { ...hold, restore: true }))).toEqual([
      ...[409, 'Nothing can be loaded again'],
      'http://attic has no order to load a model: llama-swap loads a model when a client sends it a request. Place the hold without restore, or on other routers.',
    ]);
    expect(service.holds.all()).toEqual([]);
    expect((await place(service, { ...hold, restore: true, routers: ['gpu-box'] })).status).toBe(201);
    expect((await place(service, hold)).status).toBe(201);
  });

  it('says that a router is unknown', async () => {
    expect(problemOf(await holding().http.get('/api/v1/holds?router=celler'))).toEqual([
      ...[404, 'Unknown router', 'No router is named celler. The routers are: gpu-box, attic.'],
    ]);
  });

  it.each(['get', 'patch', 'delete'] as const)('%s says that a hold is unknown', async (method) => {
    const { http } = holding();
    const answer = await (method === 'patch'
      ? http.patch(NO_HOLD).send({ ttl_seconds: 1 })
      : http[method](NO_HOLD));
    expect(problemOf(answer)).toEqual([
      ...[404, 'No such hold'],
      'It does not exist, or ended before the last hundred did. GET /api/v1/holds lists those that stand.',
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
    await place(given, { ttl_seconds: 600, reason: 'training' });
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
    await place(given, { ttl_seconds: 600, reason });
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
    await place(given, { routers: ['gpu-box'], ttl_seconds: 600 });
    expect((await given.http.get(`/api/v1/gate?router=gpu-box&${query}`)).status).toBe(status);
    expect((await given.http.get(`/api/v1/gate?router=attic&${query}`)).status).toBe(204);
  });

  it('ignores the last known models of a router that is down', async () => {
    const given = holding(['gpu-box']);
    await place(given, { ttl_seconds: 600 });
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
    const reason = 'a <b>old</b> run';
    const { body } = await place(given, { routers: ['gpu-box'], ttl_seconds: 600, reason, enforce: true });
    const { text } = await given.http.get('/');
    expect(text.replaceAll(body.id, 'ID').match(/<p class="hold"[^>]*>.*<\/p>/g)).toEqual([
      '<p class="hold" data-key="ID">GPU memory is <strong>kept free</strong> until <time datetime="2023-11-14T22:23:20.000Z">22:24 UTC</time> for a &#60;b&#62;old&#60;/b&#62; run (requested by loopback). Models loaded during the hold are unloaded when they are idle. <button type="button" class="act" data-act="release" data-hold="ID" aria-label="Release the hold of loopback for a &#60;b&#62;old&#60;/b&#62; run">Release</button></p>',
    ]);
    await given.http.delete(`/api/v1/holds/${body.id}`);
    given.clock.jump(250);
    expect((await given.http.get('/')).text).not.toContain('class="hold"');
  });
});
