import { EventEmitter, once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Response } from 'express';
import { createHolds, type Holds } from '../../src/hold/holds.ts';
import { createApp } from '../../src/http/app.ts';
import { createWaitingRoom, waitInQuery } from '../../src/http/waiting-room.ts';
import { aHoldRequest } from '../support/a-hold.ts';
import { aListing, listed } from '../support/a-model.ts';
import { appParts } from '../support/app-parts.ts';
import { addRouter, type DrivenRouter } from '../support/driven-router.ts';
import { anEmptyFleet } from '../support/fleets.ts';
import { type SteppedClock, settled } from '../support/stepped-clock.ts';
import { until } from '../support/until.ts';

let clock: SteppedClock;
let holds: Holds;
let router: DrivenRouter;
let closing: AbortController;
let server: Server;
/** Timers of the service that have nothing to do with holds. */
let others: number;

beforeEach(async () => {
  const fleet = anEmptyFleet();
  clock = fleet.clock;
  holds = createHolds(clock);
  router = addRouter(fleet.store, 'gpu-box');
  router.listed(aListing(listed('qwen', 'unloaded')));
  closing = new AbortController();
  server = createApp(appParts(fleet, { holds, closing: closing.signal })).listen(0, '127.0.0.1');
  await once(server, 'listening');
  others = clock.pending();
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const hold = (seconds: number, more = {}) => holds.place(aHoldRequest(clock.now() + seconds * 1000, more));

/** Each waiting request has a timer; so have the holds together. */
const waiting = () => clock.pending() - others - Number(holds.all().length > 0);

/** Requests, each of which waits when this resolves; `status` is that of its answer. */
async function ask(path: string, signal?: AbortSignal) {
  const before = waiting();
  const { port } = server.address() as AddressInfo;
  const answer = fetch(`http://127.0.0.1:${port}/api/v1/${path}`, { signal: signal ?? null });
  answer.catch(() => {});
  await until(`${path} to wait`, () => waiting() > before, { everyMs: 1 });
  return { answer, status: () => answer.then(({ status }) => status) };
}

describe('a request that waits at the gate', () => {
  it('passes when the last hold is released', async () => {
    const [first, second] = [hold(600), hold(300)];
    const { status } = await ask('gate?router=gpu-box&wait=60');
    holds.release(first.id, 'alice');
    await settled();
    expect(waiting()).toBe(1);
    holds.release(second.id, 'alice');
    expect(await status()).toBe(204);
    expect(waiting()).toBe(0);
  });

  it('passes when the hold expires', async () => {
    hold(30);
    const { status } = await ask('gate?wait=60');
    await clock.advance(30_000);
    expect(await status()).toBe(204);
    expect(waiting()).toBe(0);
  });

  it('passes when the hold fails', async () => {
    const { id } = hold(600, { unload: 'all' });
    const { status } = await ask('gate?wait=60');
    holds.finishPreparation(id, 'a model is busy');
    expect(await status()).toBe(204);
  });

  it('passes when its model is loaded meanwhile', async () => {
    hold(600);
    const { status } = await ask('gate?model=qwen&wait=60');
    router.listed(aListing(listed('qwen', 'loaded')));
    expect(await status()).toBe(204);
  });

  it('is refused after its time, with the remaining time', async () => {
    hold(600);
    const { answer } = await ask('gate?wait=45.5');
    await clock.advance(45_000);
    expect(waiting()).toBe(1);
    await clock.advance(500);
    const { status, headers } = await answer;
    expect([status, headers.get('Retry-After')]).toEqual([503, '555']);
    expect(waiting()).toBe(0);
  });

  it('is forgotten when its client hangs up', async () => {
    hold(600);
    const client = new AbortController();
    const { answer } = await ask('gate?wait=300', client.signal);
    client.abort();
    await expect(answer).rejects.toThrow('aborted');
    await until('nothing to wait', () => waiting() === 0, { everyMs: 1 });
  });

  it('is answered when the exporter stops', async () => {
    hold(600);
    const { status } = await ask('gate?wait=300');
    closing.abort();
    expect(await status()).toBe(503);
    expect(waiting()).toBe(0);
  });

  const askAtOnce = (query: string) => {
    hold(600);
    const { port } = server.address() as AddressInfo;
    return fetch(`http://127.0.0.1:${port}/api/v1/gate?${query}`);
  };

  it.each(['301', '1e3', '-1', 'NaN', '0x10', '1.', ' 1', '1&wait=1'])('refuses to wait %s', async (wait) => {
    expect(await (await askAtOnce(`wait=${wait}`)).json()).toMatchObject({
      status: 400,
      detail: 'wait must be a number of seconds from 0 to 300.',
    });
  });
});

it.each([
  ['1.2e-38', 1.2e-38],
  ['0.0', 0],
  ['3E+2', 300],
  ['', 0],
  [undefined, 0],
])('wait=%s in a query is %d seconds', (wait, seconds) => {
  expect(waitInQuery(wait)).toBe(seconds);
});

it('a request for a hold waits until its memory is free', async () => {
  const { id } = hold(600, { unload: 'all' });
  const { answer } = await ask(`holds/${id}?wait=300`);
  holds.finishPreparation(id, undefined);
  expect(await (await answer).json()).toMatchObject({ id, state: 'active' });
});

it('beyond a thousand waiting requests, further ones are answered at once', async () => {
  const { store } = anEmptyFleet();
  const room = createWaitingRoom({ store, holds, clock, closing: closing.signal });
  const client = () => new EventEmitter() as unknown as Response;
  let isOpen = false;
  let answered = 0;
  const wait = () =>
    room(300, client(), () => isOpen).then(() => {
      answered += 1;
    });
  const { id } = hold(600);
  const all = Array.from({ length: 1000 }, wait);
  await settled();
  expect([answered, waiting()]).toEqual([0, 1000]);
  await wait();
  expect([answered, waiting()]).toEqual([1, 1000]);
  isOpen = true;
  holds.release(id, 'alice');
  await Promise.all(all);
  expect([answered, waiting()]).toEqual([1001, 0]);
});
