import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createConfigSource } from '../src/config/source.ts';
import { createLogger } from '../src/lib/logger.ts';
import { type Service, startService } from '../src/service.ts';
import { parseExposition } from './support/exposition.ts';
import { freePort } from './support/free-port.ts';
import {
  createTestRouter,
  type TestRouter,
  type TestRouterOptions,
} from './support/simulator/test-router.ts';
import { until } from './support/until.ts';

let folder: string;
let file: string;
let lines: string[];
const ends: (() => Promise<void>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'service-'));
  file = join(folder, 'config.yml');
  lines = [];
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true });
});

async function aRouter(options: TestRouterOptions = {}): Promise<TestRouter> {
  const models = ['tiny-a', 'tiny-b'].map((id) => ({ id, loadSeconds: 0.01 }));
  const router = createTestRouter({ models, exitSeconds: 0.001, ...options });
  await router.listen();
  ends.push(router.stop);
  return router;
}

/** Routers by name; and whatever else the file should say. */
function configure(routers: Record<string, string>, more = ''): void {
  const list = Object.entries(routers).map(([name, url]) => `  - { name: ${name}, url: '${url}' }\n`);
  writeFileSync(
    file,
    `routers:\n${list.join('')}web: { listen_address: '127.0.0.1:0' }\nfollow: { reconnect_min: 50ms, reconnect_max: 100ms, request_timeout: 1s }\n${more}`,
  );
}

async function start(): Promise<Service> {
  const log = createLogger({
    level: 'debug',
    format: 'logfmt',
    write: (line) => lines.push(line),
    now: Date.now,
  });
  const service = await startService({
    config: createConfigSource({ file, env: {}, flags: {} }),
    log,
    version: '1.2.3',
  });
  let stopped: Promise<void> | undefined;
  const once = { ...service, stop: () => (stopped ??= service.stop()) };
  ends.push(once.stop);
  return once;
}

const url = (service: Service, path: string) => `http://127.0.0.1:${service.port}${path}`;
const scrape = async (service: Service) =>
  parseExposition(await (await fetch(url(service, '/metrics'))).text());
const ready = (service: Service) =>
  until('readiness', async () => (await fetch(url(service, '/-/ready'))).ok, { timeoutMs: 3000, everyMs: 5 });
const soon = <T>(what: string, ask: () => T | Promise<T>) =>
  until(what, ask, { timeoutMs: 3000, everyMs: 5 });

describe('the service', () => {
  it('follows a router from its start: what happens there is counted', async () => {
    const router = await aRouter();
    configure({ box: router.url });
    const service = await start();
    await ready(service);
    const labels = { router: 'box', model: 'tiny-a' };
    expect((await scrape(service)).value('llama_router_up', { router: 'box' })).toBe(1);
    expect((await scrape(service)).value('llama_router_model_loads_total', labels)).toBe(0);
    await router.load('tiny-a');
    await soon(
      'the load',
      async () => (await scrape(service)).value('llama_router_model_loads_total', labels) === 1,
    );
    expect((await scrape(service)).value('llama_router_model_status', { ...labels, status: 'loaded' })).toBe(
      1,
    );
    router.unload('tiny-a');
    await soon(
      'the unload',
      async () =>
        (await scrape(service)).value('llama_router_model_unloads_total', {
          ...labels,
          reason: 'external',
        }) === 1,
    );
    expect(
      (await scrape(service)).value('llama_router_exporter_build_info', {
        version: '1.2.3',
        nodeversion: process.version,
      }),
    ).toBe(1);
    expect(router.violations).toEqual([]);
  });

  it('answers the same to scrapes that overlap, but for what it says of itself', async () => {
    const router = await aRouter();
    configure({ box: router.url });
    const service = await start();
    await ready(service);
    const texts = await Promise.all(
      Array.from({ length: 5 }, async () => (await fetch(url(service, '/metrics'))).text()),
    );
    const ours = texts.map((text) =>
      text
        .split('\n')
        .filter((line) => line.includes('llama_router_'))
        .join('\n'),
    );
    expect(new Set(ours).size).toBe(1);
  });

  it('is delayed by no dead router beside a live one', async () => {
    const [live, hanging] = [await aRouter(), await aRouter()];
    hanging.faults.next({ on: '*', kind: 'hang', times: 1000 });
    configure({ live: live.url, hanging: hanging.url, dead: `http://127.0.0.1:${await freePort()}` });
    const service = await start();
    const at = performance.now();
    await soon(
      'the live one',
      async () => (await scrape(service)).value('llama_router_up', { router: 'live' }) === 1,
    );
    await live.load('tiny-a');
    await soon(
      'the load',
      async () =>
        (await scrape(service)).value('llama_router_model_loads_total', {
          router: 'live',
          model: 'tiny-a',
        }) === 1,
    );
    expect(performance.now() - at).toBeLessThan(900);
    expect((await fetch(url(service, '/-/ready'))).status).toBe(503);
    await ready(service);
    const read = await scrape(service);
    expect(['live', 'hanging', 'dead'].map((router) => read.value('llama_router_up', { router }))).toEqual([
      1, 0, 0,
    ]);
    expect(
      read.value('llama_router_poll_errors_total', { router: 'hanging', fault: 'timeout' }),
    ).toBeGreaterThan(0);
    expect(
      read.value('llama_router_poll_errors_total', { router: 'dead', fault: 'unreachable' }),
    ).toBeGreaterThan(0);
    expect((await fetch(url(service, '/-/healthy'))).status).toBe(200);
  });

  it('follows a router that went away and came back', async () => {
    const router = await aRouter();
    configure({ box: router.url });
    const service = await start();
    await ready(service);
    await router.stop();
    await soon(
      'it to be down',
      async () => (await scrape(service)).value('llama_router_up', { router: 'box' }) === 0,
    );
    await router.start();
    await soon(
      'it to be up',
      async () => (await scrape(service)).value('llama_router_up', { router: 'box' }) === 1,
    );
    await router.load('tiny-b');
    await soon(
      'the load',
      async () =>
        (await scrape(service)).value('llama_router_model_loads_total', {
          router: 'box',
          model: 'tiny-b',
        }) === 1,
    );
  });
});

describe('a reload', () => {
  it('adds and removes routers, and leaves the others as they are', async () => {
    const [box, attic] = [await aRouter(), await aRouter()];
    configure({ box: box.url });
    const service = await start();
    await ready(service);
    await box.load('tiny-a');
    const loads = async () =>
      (await scrape(service)).value('llama_router_model_loads_total', { router: 'box', model: 'tiny-a' });
    await soon('the load', async () => (await loads()) === 1);
    const streams = box.count('/models/sse');

    configure({ box: box.url, attic: attic.url });
    const answer = await fetch(url(service, '/-/reload'), { method: 'POST' });
    expect([answer.status, await answer.text()]).toEqual([200, 'Configuration reloaded.\n']);
    await soon(
      'the new one',
      async () => (await scrape(service)).value('llama_router_up', { router: 'attic' }) === 1,
    );
    expect([await loads(), box.count('/models/sse')]).toEqual([1, streams]);

    configure({ attic: attic.url });
    expect(await service.reload()).toEqual({});
    expect(await (await fetch(url(service, '/metrics'))).text()).not.toContain('router="box"');
    await soon('the stream of the old one to end', () => box.stream.listeners === 0);
  });

  it('with another key starts that router anew, and keeps what was counted', async () => {
    const router = await aRouter({ apiKey: 'right' });
    configure({ box: router.url });
    const service = await start();
    await ready(service);
    expect(
      (await scrape(service)).value('llama_router_poll_errors_total', {
        router: 'box',
        fault: 'unauthorized',
      }),
    ).toBeGreaterThan(0);
    writeFileSync(
      file,
      `routers: [{ name: box, url: '${router.url}', api_key: right }]\nweb: { listen_address: '127.0.0.1:0' }\n`,
    );
    await service.reload();
    await soon(
      'it to be up',
      async () => (await scrape(service)).value('llama_router_up', { router: 'box' }) === 1,
    );
    expect(
      (await scrape(service)).value('llama_router_poll_errors_total', {
        router: 'box',
        fault: 'unauthorized',
      }),
    ).toBeGreaterThan(0);
    expect(lines.join()).not.toContain('right');
  });

  it('of a bad file keeps the old configuration, and shows', async () => {
    const router = await aRouter();
    configure({ box: router.url });
    const service = await start();
    await ready(service);
    const shown = async () => (await scrape(service)).value('llama_router_config_last_reload_successful');
    const loadedAt = (await scrape(service)).value(
      'llama_router_config_last_reload_success_timestamp_seconds',
    );
    expect(await shown()).toBe(1);
    writeFileSync(file, 'routerz: []\n');
    const answer = await fetch(url(service, '/-/reload'), { method: 'POST' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      400,
      'application/problem+json; charset=utf-8',
    ]);
    expect((await answer.json()) as object).toMatchObject({
      title: 'Configuration not reloaded',
      detail: expect.stringContaining('routerz'),
    });
    expect(await shown()).toBe(0);
    const read = await scrape(service);
    expect(read.value('llama_router_up', { router: 'box' })).toBe(1);
    expect(read.value('llama_router_config_last_reload_success_timestamp_seconds')).toBe(loadedAt);
    configure({ box: router.url });
    await service.reload();
    expect(await shown()).toBe(1);
  });

  it('says which changes wait for a restart, and no more once they are taken back', async () => {
    const router = await aRouter();
    configure({ box: router.url });
    const service = await start();
    const waits = () => lines.filter((line) => line.includes('wait for a restart')).length;
    configure({ box: router.url }, 'log: { level: debug }\n');
    await service.reload();
    expect(lines.join()).toContain('options=log');
    expect(waits()).toBe(1);
    await service.reload();
    expect(waits()).toBe(2);
    configure({ box: router.url });
    await service.reload();
    expect(waits()).toBe(2);
    configure({ box: router.url }, 'engine: { publish: apart, interval: 20s }\n');
    await service.reload();
    expect(lines.join()).toContain('options=engine.publish');
    configure({ box: router.url }, 'audit: { file: audit.jsonl }\n');
    await service.reload();
    expect(lines.join()).toContain('options=audit');
  });

  it('does one after the other: a router taken away and brought back is followed', async () => {
    const [box, other] = [await aRouter(), await aRouter()];
    configure({ box: box.url, other: other.url });
    const service = await start();
    await ready(service);
    configure({ other: other.url });
    const without = service.reload();
    configure({ box: box.url, other: other.url });
    const again = service.reload();
    expect(await Promise.all([without, again])).toEqual([{}, {}]);
    await soon(
      'it to be up',
      async () => (await scrape(service)).value('llama_router_up', { router: 'box' }) === 1,
    );
    await box.load('tiny-a');
    await soon(
      'the load',
      async () =>
        (await scrape(service)).value('llama_router_model_loads_total', {
          router: 'box',
          model: 'tiny-a',
        }) === 1,
    );
  });

  it('under way when the service stops leaves nothing behind', async () => {
    const [box, late] = [await aRouter(), await aRouter()];
    configure({ box: box.url });
    const service = await start();
    await ready(service);
    configure({ late: late.url });
    const reloading = service.reload();
    await service.stop();
    await reloading;
    expect(await service.reload()).toEqual({ error: 'shutting down' });
    await soon('every stream to end', () => box.stream.listeners === 0 && late.stream.listeners === 0);
  });
});

describe('the end', () => {
  it('comes soon, with an event stream and a kept connection open, and a router that hangs', async () => {
    const [router, hanging] = [await aRouter(), await aRouter()];
    hanging.faults.next({ on: '*', kind: 'hang', times: 1000 });
    configure({ box: router.url, hanging: hanging.url });
    const service = await start();
    await soon(
      'the live one',
      async () => (await scrape(service)).value('llama_router_up', { router: 'box' }) === 1,
    );
    const agent = new Agent({ keepAlive: true });
    const stream = await new Promise<IncomingMessage>((resolve) =>
      get(url(service, '/api/v1/events'), { agent }, resolve),
    );
    let over = false;
    stream.on('close', () => {
      over = true;
    });
    stream.resume();
    await new Promise<void>((resolve) =>
      get(url(service, '/-/healthy'), { agent }, (response) => response.resume().on('end', resolve)),
    );
    const at = performance.now();
    await service.stop();
    expect(performance.now() - at).toBeLessThan(1000);
    await soon('the stream to end', () => over);
    await soon('our streams to end', () => router.stream.listeners === 0);
    await expect(fetch(url(service, '/-/healthy'))).rejects.toThrow();
    agent.destroy();
  });

  it('comes within 5 s with a connection that says nothing', async () => {
    configure({ box: `http://127.0.0.1:${await freePort()}` });
    const service = await start();
    const agent = new Agent({ keepAlive: true });
    const socket = agent.createConnection({ host: '127.0.0.1', port: service.port }, () => {});
    await new Promise((resolve) => socket?.once('connect', resolve));
    const at = performance.now();
    await service.stop();
    expect(performance.now() - at).toBeLessThan(5000);
    agent.destroy();
  });

  it('saves what was counted, and the next start goes on with it', async () => {
    const router = await aRouter();
    configure({ box: router.url }, 'state: { file: state.json }\n');
    const first = await start();
    await ready(first);
    await router.load('tiny-a');
    const loads = async (service: Service) =>
      (await scrape(service)).value('llama_router_model_loads_total', { router: 'box', model: 'tiny-a' });
    await soon('the load', async () => (await loads(first)) === 1);
    await first.stop();
    expect(readdirSync(folder)).toContain('state.json');
    const second = await start();
    await ready(second);
    expect(await loads(second)).toBe(1);
  });
});

describe('a hold', () => {
  const active = async (service: Service) =>
    (await scrape(service)).value('llama_router_hold_active', { router: 'box' });
  const gate = async (service: Service) => (await fetch(url(service, '/api/v1/gate'))).status;
  const hold = (service: Service, method: 'PUT' | 'DELETE', body?: object) =>
    fetch(url(service, '/api/v1/hold'), {
      method,
      ...(body && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
    });

  it('outlives the process, and is logged when it is placed, released and expired', async () => {
    const router = await aRouter();
    configure({ box: router.url }, 'state: { file: state.json }\nhold: { max: 2h }\n');
    const first = await start();
    await ready(first);
    expect([await active(first), await gate(first)]).toEqual([0, 204]);
    expect((await hold(first, 'PUT', { seconds: 7200, reason: 'training' })).status).toBe(200);
    expect([await active(first), await gate(first)]).toEqual([1, 503]);
    await first.stop();
    const second = await start();
    await ready(second);
    expect([await active(second), await gate(second)]).toEqual([1, 503]);
    expect((await hold(second, 'DELETE')).status).toBe(200);
    expect([await active(second), await gate(second)]).toEqual([0, 204]);
    expect((await hold(second, 'PUT', { seconds: 1 })).status).toBe(200);
    await soon('its end', async () => (await active(second)) === 0 && (await gate(second)) === 204);
    const told = lines
      .filter((line) => line.includes('msg="hold '))
      .map((line) => line.replace(/^.*? msg=/, ''));
    const until = expect.stringMatching(
      /^"hold placed" router=box until=\S+Z reason=\S+ by=loopback enforce=false\n$/,
    );
    expect(told).toEqual([
      until,
      '"hold released" router=box by=loopback\n',
      until,
      '"hold expired" router=box\n',
    ]);
  });

  it('of an unload of less than a second is placed once', async () => {
    const router = await aRouter();
    configure({ box: router.url });
    const service = await start();
    await ready(service);
    await router.load('tiny-a');
    const answer = await fetch(url(service, '/api/v1/unload-all'), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ hold_seconds: 60 }),
    });
    expect(await answer.json()).toMatchObject({ outcome: 'success' });
    expect(await active(service)).toBe(1);
    expect(lines.filter((line) => line.includes('msg="hold placed"'))).toHaveLength(1);
  });

  it('may last as long as the configuration says now', async () => {
    const router = await aRouter();
    configure({ box: router.url });
    const service = await start();
    await ready(service);
    configure({ box: router.url }, 'hold: { max: 1m, enforce: true }\n');
    await service.reload();
    expect((await hold(service, 'PUT', { seconds: 61 })).status).toBe(400);
    const answer = await hold(service, 'PUT', { seconds: 60 });
    expect(await answer.json()).toMatchObject({ holds: [{ router: 'box', enforce: true }] });
  });
});

describe('an address that is in use', () => {
  it('fails the start, before anything was touched', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    ends.push(async () => void other.close());
    const { port } = other.address() as { port: number };
    const router = await aRouter();
    writeFileSync(join(folder, 'state.json'), 'of another instance');
    writeFileSync(
      file,
      `routers: [{ url: '${router.url}' }]\nweb: { listen_address: '127.0.0.1:${port}' }\nstate: { file: state.json }\n`,
    );
    await expect(start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(readdirSync(folder).sort()).toEqual(['config.yml', 'state.json']);
    expect(router.requests).toEqual([]);
  });
});
