import { getEventListeners } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import express from 'express';
import { problemHandler } from '../../src/http/problem.ts';
import { eventsRoute } from '../../src/http/routes/events.ts';
import { aLog } from '../support/a-log.ts';
import { aListing, begun, ended, listed, turned } from '../support/a-model.ts';
import { addRouter, driven } from '../support/driven-router.ts';
import { anEmptyFleet, HOSTILE_ID, type ObservedFleet } from '../support/fleets.ts';
import { settled } from '../support/stepped-clock.ts';
import { until } from '../support/until.ts';

let observed: ObservedFleet;
let closing: AbortController;
let server: Server;
let here: Set<object>;
const listening = () => here.size;

beforeEach(async () => {
  observed = anEmptyFleet();
  closing = new AbortController();
  const own = new Set<object>();
  here = own;
  const onTransition: typeof observed.store.onTransition = (listener) => {
    const stop = observed.store.onTransition(listener);
    own.add(stop);
    return () => {
      own.delete(stop);
      stop();
    };
  };
  const app = express();
  const store = { ...observed.store, onTransition };
  app.get('/', eventsRoute({ store, clock: observed.clock, closing: closing.signal }));
  app.use(problemHandler(aLog()));
  server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  jest.useRealTimers();
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
});

const port = () => (server.address() as AddressInfo).port;

/** Opens a stream and records what arrives. */
async function listen(method = 'GET', localAddress = '127.0.0.1') {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ port: port(), host: '127.0.0.1', localAddress, method, agent: false }, resolve)
      .on('error', reject)
      .end();
  });
  let text = '';
  let over = false;
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
  });
  response.on('error', () => {});
  response.on('close', () => {
    over = true;
  });
  const ears = {
    status: response.statusCode,
    headers: response.headers,
    get text() {
      return text;
    },
    get over() {
      return over;
    },
    events: () =>
      text
        .split('\n\n')
        .filter((event) => event.startsWith('data: '))
        .map((event) => JSON.parse(event.slice('data: '.length))),
    heard: (count: number) => until(`${count} events`, () => ears.events().length >= count, { everyMs: 2 }),
    ended: () => until('the end', () => over, { everyMs: 2 }),
    hangUp: () => response.destroy(),
  };
  return ears;
}

const GREETING = ': transitions of models and routers follow\n\n';

describe('the event stream', () => {
  it('sends every transition from now on', async () => {
    const { store, clock } = observed;
    const entry = addRouter(store, 'gpu-box', 'http://gpu-box');
    const ears = await listen();
    expect([ears.status, ears.headers['content-type'], ears.headers['cache-control']]).toEqual([
      200,
      'text/event-stream',
      'no-cache',
    ]);
    entry.listed(aListing(listed('m', 'unloaded'), listed(HOSTILE_ID, 'unloaded')));
    entry.stream('connected');
    clock.jump(1000);
    entry.event(begun('m'));
    clock.jump(3000);
    entry.event(turned('m', 'loaded'));
    clock.jump(1000);
    entry.event(ended('m', 1));
    clock.jump(1000);
    entry.listed({ models: [], malformed: ['data[0]: it is no model'] });
    entry.failed({ kind: 'timeout', message: 'slow' });
    store.remove('gpu-box');
    await ears.heard(14);
    const of = (second: number) => ({ at: `2023-11-14T22:13:${20 + second}.000Z`, router: 'gpu-box' });
    expect(ears.text.startsWith(GREETING)).toBe(true);
    expect(ears.events()).toEqual([
      { ...of(0), event: 'router_up' },
      { ...of(0), model: 'm', event: 'appeared' },
      { ...of(0), model: HOSTILE_ID, event: 'appeared' },
      { ...of(0), event: 'stream', state: 'connected' },
      { ...of(1), model: 'm', event: 'status', from: 'unloaded', to: 'loading' },
      { ...of(4), model: 'm', event: 'status', from: 'loading', to: 'loaded' },
      { ...of(4), model: 'm', event: 'loaded', duration_seconds: 3 },
      { ...of(5), model: 'm', event: 'status', from: 'loaded', to: 'unloaded' },
      { ...of(5), model: 'm', event: 'unloaded', reason: 'crashed', from: 'loaded' },
      { ...of(6), event: 'malformed', entries: ['data[0]: it is no model'] },
      { ...of(6), model: 'm', event: 'vanished' },
      { ...of(6), model: HOSTILE_ID, event: 'vanished' },
      { ...of(6), event: 'router_down', fault: { kind: 'timeout', message: 'slow' } },
      { ...of(6), event: 'router_removed' },
    ]);
  });

  it('sends to every client, and forgets clients that have left', async () => {
    const [first, second] = [await listen(), await listen()];
    expect(listening()).toBe(2);
    first.hangUp();
    await until('the first to be forgotten', () => listening() === 1, { everyMs: 2 });
    addRouter(observed.store, 'r', 'http://r');
    await second.heard(1);
    expect(second.events()[0]).toMatchObject({ event: 'router_added', router: 'r' });
  });

  it('writes a transition once for all clients', async () => {
    const all = [await listen(), await listen(), await listen()];
    const wall = jest.spyOn(observed.clock, 'wall');
    addRouter(observed.store, 'r', 'http://r');
    for (const ears of all) await ears.heard(1);
    expect(wall).toHaveBeenCalledTimes(1);
  });

  it('sends heartbeats when nothing happens', async () => {
    jest.useFakeTimers({
      doNotFake: [
        'Date',
        'nextTick',
        'performance',
        'queueMicrotask',
        'setImmediate',
        'clearImmediate',
        'setTimeout',
        'clearTimeout',
      ],
    });
    const ears = await listen();
    jest.advanceTimersByTime(45_000);
    await until('three beats', () => ears.text === `${GREETING}:\n\n:\n\n:\n\n`, {
      everyMs: 2,
    });
    ears.hangUp();
    await until('it to be forgotten', () => listening() === 0, { everyMs: 2 });
    expect(jest.getTimerCount()).toBe(0);
  });

  it('ends when the service does', async () => {
    const ears = await listen();
    closing.abort();
    await ears.ended();
    expect(ears.text).toBe(GREETING);
    expect(listening()).toBe(0);
    expect((await listen()).status).toBe(503);
  });

  it('answers HEAD without opening a stream', async () => {
    const ears = await listen('HEAD');
    await ears.ended();
    expect([ears.status, ears.headers['content-type'], listening()]).toEqual([200, 'text/event-stream', 0]);
  });

  it('is refused to an address with ten streams, and to all when a hundred are open', async () => {
    const streams = await Promise.all(Array.from({ length: 10 }, () => listen()));
    const eleventh = await listen();
    await eleventh.ended();
    expect([eleventh.status, eleventh.headers['retry-after'], JSON.parse(eleventh.text)]).toEqual([
      429,
      '10',
      {
        type: 'about:blank',
        title: 'Too many event streams',
        status: 429,
        detail: '127.0.0.1 has 10 open streams, the most for one address: close one.',
      },
    ]);
    const others = Array.from({ length: 90 }, (_, i) => listen('GET', `127.0.1.${1 + Math.floor(i / 10)}`));
    await Promise.all(others);
    const late = await listen('GET', '127.0.2.1');
    await late.ended();
    expect([late.status, JSON.parse(late.text).detail]).toEqual([
      503,
      '100 streams are open, the most in total.',
    ]);
    streams[0]?.hangUp();
    await until('a free place', () => listening() === 99, { everyMs: 2 });
    expect((await listen()).status).toBe(200);
    // Node warns of more than ten listeners on one signal.
    expect(getEventListeners(closing.signal, 'abort')).toHaveLength(1);
  });
});

describe('a client that does not read', () => {
  /** Asks for the stream and never reads a byte. */
  async function ignore() {
    const socket = connect(port(), '127.0.0.1');
    socket.pause();
    socket.on('error', () => {});
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until('the listener', () => listening() > 0, { everyMs: 2 });
    return socket;
  }

  let told = 0;
  /** A transition of half a megabyte, if not told otherwise. */
  function tellMuch(bytes = 512 * 1024): void {
    told += 1;
    const entry = driven(observed.store, 'r');
    entry.listed({ models: [], malformed: [`${told} `.padEnd(bytes, 'x')] });
  }

  it('is disconnected when too much is unread, and delays no other client', async () => {
    const socket = await ignore();
    const ears = await listen();
    for (let i = 0; i < 100 && listening() > 1; i += 1) {
      tellMuch();
      await settled();
    }
    expect(listening()).toBe(1);
    // Several more in the same breath, and after: nothing may be written to who was let go.
    for (let i = 0; i < 3; i += 1) tellMuch(100);
    await settled();
    tellMuch(100);
    await until('the other to hear it', () => ears.text.includes(`"${told} xxx`), { everyMs: 5 });
    socket.destroy();
  });

  it('does not break the end of the service', async () => {
    const socket = await ignore();
    for (let i = 0; i < 2; i += 1) tellMuch();
    closing.abort();
    for (let i = 0; i < 3; i += 1) tellMuch();
    await settled();
    tellMuch();
    await settled();
    expect(listening()).toBe(0);
    socket.destroy();
  });
});
