import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createConfigSource } from '../src/config/source.ts';
import { type Service, startService } from '../src/service.ts';
import { aLog } from './support/a-log.ts';
import { parseExposition } from './support/exposition.ts';
import { freePort } from './support/free-port.ts';
import { recordedNotification } from './support/notification.ts';
import { scratchFolder } from './support/scratch-folder.ts';
import { scriptHttp } from './support/scripted-server.ts';
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
  folder = scratchFolder();
  file = join(folder, 'config.yml');
  lines = [];
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function aRouter(options: TestRouterOptions = {}): Promise<TestRouter> {
  const models = ['tiny-a', 'tiny-b'].map((id) => ({ id, loadSeconds: 0.01 }));
  const router = createTestRouter({ models, exitSeconds: 0.001, ...options });
  await router.listen();
  ends.push(router.stop);
  return router;
}

/** Writes the configuration: routers by name, and more options as YAML. */
function configure(routers: Record<string, string>, more = '', requestTimeout = '5s'): void {
  const list = Object.entries(routers).map(([name, url]) => `  - { name: ${name}, url: '${url}' }\n`);
  writeFileSync(
    file,
    `routers:\n${list.join('')}web: { listen_address: '127.0.0.1:0' }\nfollow: { reconnect_min: 50ms, reconnect_max: 100ms, request_timeout: ${requestTimeout} }\n${more}`,
  );
}

/** A router, and the service that follows it as `box`, ready. */
async function startOnRouter(more = '', options: TestRouterOptions = {}) {
  const router = await aRouter(options);
  configure({ box: router.url }, more);
  const service = await start();
  await ready(service);
  return { router, service };
}

async function start(): Promise<Service> {
  const log = aLog((line) => lines.push(line));
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

type Labels = Record<string, string>;

const url = (service: Service, path: string) => `http://127.0.0.1:${service.port}${path}`;
const scrape = async (service: Service) =>
  parseExposition(await (await fetch(url(service, '/metrics'))).text());
const metric = async (service: Service, name: string, labels: Labels = {}) =>
  (await scrape(service)).value(`llama_router_${name}`, labels);
const untilValue = (service: Service, name: string, labels: Labels, wanted: number) =>
  soon(`${name} to be ${wanted}`, async () => (await metric(service, name, labels)) === wanted);
const send = (service: Service, method: string, path: string, body?: unknown) =>
  fetch(url(service, path), {
    method,
    headers: { 'Content-Type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
const ready = (service: Service) => soon('readiness', async () => (await fetch(url(service, '/-/ready'))).ok);
/** Most ask for a scrape, which takes some milliseconds of CPU. */
const soon = <T>(what: string, ask: () => T | Promise<T>) => until(what, ask, { everyMs: 40 });

describe('the service', () => {
  it('counts loads and unloads from its start', async () => {
    const { router, service } = await startOnRouter();
    const labels = { router: 'box', model: 'tiny-a' };
    expect(await metric(service, 'up', { router: 'box' })).toBe(1);
    expect(await metric(service, 'model_loads_total', labels)).toBe(0);
    await router.load('tiny-a');
    await untilValue(service, 'model_loads_total', labels, 1);
    expect(await metric(service, 'model_status', { ...labels, status: 'loaded' })).toBe(1);
    router.unload('tiny-a');
    await untilValue(service, 'model_unloads_total', { ...labels, reason: 'external' }, 1);
    expect(
      await metric(service, 'exporter_build_info', { version: '1.2.3', nodeversion: process.version }),
    ).toBe(1);
    expect(router.violations).toEqual([]);
  });

  it('follows a live router without delay while others hang or are down', async () => {
    const [live, hanging] = [await aRouter(), await aRouter()];
    hanging.faults.next({ on: '*', kind: 'hang', times: 1000 });
    configure(
      { live: live.url, hanging: hanging.url, dead: `http://127.0.0.1:${await freePort()}` },
      '',
      '800ms',
    );
    const service = await start();
    await untilValue(service, 'up', { router: 'live' }, 1);
    await live.load('tiny-a');
    await untilValue(service, 'model_loads_total', { router: 'live', model: 'tiny-a' }, 1);
    // The first request to the hanging router has not timed out yet.
    expect((await fetch(url(service, '/-/ready'))).status).toBe(503);
    await ready(service);
    const read = await scrape(service);
    expect(['live', 'hanging', 'dead'].map((router) => read.value('llama_router_up', { router }))).toEqual([
      1, 0, 0,
    ]);
    const errors = (router: string, fault: string) =>
      read.value('llama_router_poll_errors_total', { router, fault });
    expect(errors('hanging', 'timeout')).toBeGreaterThan(0);
    expect(errors('dead', 'unreachable')).toBeGreaterThan(0);
    expect((await fetch(url(service, '/-/healthy'))).status).toBe(200);
  });

  it('follows a router again after it was down', async () => {
    const { router, service } = await startOnRouter();
    await router.stop();
    await untilValue(service, 'up', { router: 'box' }, 0);
    await router.start();
    await untilValue(service, 'up', { router: 'box' }, 1);
    await router.load('tiny-b');
    await untilValue(service, 'model_loads_total', { router: 'box', model: 'tiny-b' }, 1);
  });
});

it('a scrape beyond the limit of series is logged once', async () => {
  const models = Array.from({ length: 60 }, (_, n) => ({ id: `m${n}`, loadSeconds: 0.01 }));
  const router = await aRouter({ models });
  configure({ box: router.url });
  writeFileSync(file, readFileSync(file, 'utf8').replace('web: {', 'web: { max_series: 1000,'));
  const service = await start();
  await ready(service);
  for (let i = 0; i < 3; i += 1) await scrape(service);
  await router.load('m7');
  await untilValue(service, 'model_loads_total', { router: 'box', model: 'm7' }, 1);
  expect((await scrape(service)).families.flatMap(({ samples }) => samples).length).toBeLessThanOrEqual(1000);
  expect(lines.filter((line) => line.includes('too many series'))).toEqual([
    expect.stringMatching(
      /level=warn .*path=\/metrics max_series=1000 series=\d{4} dropped_series=\d+ dropped_models=\d+/,
    ),
  ]);
});

it('the activity log gets what every source reports', async () => {
  const router = await aRouter({ metrics: false });
  await router.load('tiny-a');
  const group = join(folder, 'group.json');
  const audit = join(folder, 'audit.jsonl');
  writeFileSync(group, JSON.stringify([{ targets: [`127.0.0.1:${await freePort()}`] }]));
  configure(
    { box: router.url },
    `discovery: [{ name: lab, files: ['${group}'] }]\naudit: { file: '${audit}' }\nunload: { loop_count: 1 }\n`,
  );
  const service = await start();
  await ready(service);
  const logged = (...parts: string[]) =>
    soon(parts.join(' '), () => lines.some((line) => parts.every((part) => line.includes(part))));
  await logged('msg="router runs without --metrics', 'router=box');
  await send(service, 'POST', '/api/v1/alertmanager', {
    version: '4',
    alerts: [{ status: 'firing', labels: { action: 'unload', router: 'box' } }],
  });
  await logged('msg="model unloaded"', 'model=tiny-a reason=requested');
  await router.load('tiny-a');
  await logged('msg="model reloaded after unload"', 'model=tiny-a');
  await logged('msg="reload loop detected; automatic unloads paused"', 'trigger=alertmanager');
  await logged('msg="unload finished"', 'outcome=success');
  await logged('msg="routers discovered"', 'group=lab found=1');
  await soon('the audit', () => readFileSync(audit, 'utf8').includes('"kind":"operation"'));
  await untilValue(service, 'audit_last_write_successful', {}, 1);
});

describe('a reload', () => {
  it('adds and removes routers without touching the others', async () => {
    const [box, attic] = [await aRouter(), await aRouter()];
    configure({ box: box.url });
    const service = await start();
    await ready(service);
    await box.load('tiny-a');
    const loads = () => metric(service, 'model_loads_total', { router: 'box', model: 'tiny-a' });
    await soon('the load', async () => (await loads()) === 1);
    const streams = box.count('/models/sse');

    configure({ box: box.url, attic: attic.url });
    const answer = await fetch(url(service, '/-/reload'), { method: 'POST' });
    expect([answer.status, await answer.text()]).toEqual([200, 'Configuration reloaded.\n']);
    await untilValue(service, 'up', { router: 'attic' }, 1);
    expect([await loads(), box.count('/models/sse')]).toEqual([1, streams]);

    configure({ attic: attic.url });
    expect(await service.reload()).toEqual({});
    expect(await (await fetch(url(service, '/metrics'))).text()).not.toContain('router="box"');
    await soon('the stream of the old one to end', () => box.stream.listeners === 0);
  });

  it('with another API key reconnects to the router and keeps its counters', async () => {
    const { router, service } = await startOnRouter('', { apiKey: 'right' });
    expect(
      await metric(service, 'poll_errors_total', { router: 'box', fault: 'unauthorized' }),
    ).toBeGreaterThan(0);
    writeFileSync(
      file,
      `routers: [{ name: box, url: '${router.url}', api_key: right }]\nweb: { listen_address: '127.0.0.1:0' }\n`,
    );
    await service.reload();
    await untilValue(service, 'up', { router: 'box' }, 1);
    expect(
      await metric(service, 'poll_errors_total', { router: 'box', fault: 'unauthorized' }),
    ).toBeGreaterThan(0);
    expect(lines.join()).not.toContain('right');
  });

  it('with another password reconnects, and shows neither it nor the one before', async () => {
    const user = (password: string) => `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;
    const behindProxy = await scriptHttp(({ headers }, response) => {
      if (headers.authorization === user('right-word')) return void response.end('{"data":[]}');
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="llama"' }).end();
    });
    ends.push(behindProxy.stop);
    const write = (password: string) => {
      const router = `{ name: box, url: '${behindProxy.url}', username: me, password: ${password} }`;
      writeFileSync(file, `routers: [${router}]\nweb: { listen_address: '127.0.0.1:0' }\n`);
    };
    write('wrong-word');
    const service = await start();
    await untilValue(service, 'up', { router: 'box' }, 0);
    const paths = ['/', '/metrics', '/api/v1/routers', '/api/v1/models'];
    const shown = async () => {
      const texts = await Promise.all(paths.map(async (path) => (await fetch(url(service, path))).text()));
      return [...texts, ...lines].join('\n');
    };
    const before = await shown();
    expect(before).toContain('requires a user and a password');
    write('right-word');
    await service.reload();
    await untilValue(service, 'up', { router: 'box' }, 1);
    for (const text of [before, await shown()]) {
      for (const password of ['wrong-word', 'right-word']) {
        expect(text).not.toContain(password);
        expect(text).not.toContain(user(password).slice('Basic '.length));
      }
    }
  });

  it('of an invalid file keeps the previous configuration, and reports the failure', async () => {
    const { router, service } = await startOnRouter();
    const shown = () => metric(service, 'config_last_reload_successful');
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

  it('logs which changes need a restart, until they are reverted', async () => {
    const router = await aRouter();
    configure({ box: router.url });
    const service = await start();
    const waits = () => lines.filter((line) => line.includes('need a restart')).length;
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

  it('runs after the one before it: a router removed and added again is followed', async () => {
    const [box, other] = [await aRouter(), await aRouter()];
    configure({ box: box.url, other: other.url });
    const service = await start();
    await ready(service);
    configure({ other: other.url });
    const without = service.reload();
    configure({ box: box.url, other: other.url });
    const again = service.reload();
    expect(await Promise.all([without, again])).toEqual([{}, {}]);
    await untilValue(service, 'up', { router: 'box' }, 1);
    await box.load('tiny-a');
    await untilValue(service, 'model_loads_total', { router: 'box', model: 'tiny-a' }, 1);
  });

  it('in progress when the service stops leaves no connection open', async () => {
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

describe('stopping', () => {
  it('takes under a second with an event stream and an idle connection open, and a router that hangs', async () => {
    const [router, hanging] = [await aRouter(), await aRouter()];
    hanging.faults.next({ on: '*', kind: 'hang', times: 1000 });
    configure({ box: router.url, hanging: hanging.url });
    const service = await start();
    await untilValue(service, 'up', { router: 'box' }, 1);
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
    expect(performance.now() - at).toBeLessThan(2500); // After three seconds it cuts connections.
    await soon('the stream to end', () => over);
    await soon('our streams to end', () => router.stream.listeners === 0);
    await expect(fetch(url(service, '/-/healthy'))).rejects.toThrow();
    agent.destroy();
  });
});

describe('the state file', () => {
  beforeEach(async () => {
    configure({ box: (await aRouter()).url }, 'state: { file: state.json }\n');
  });

  /** The counters of operations, refusals and usage reports. */
  async function counters(service: Service) {
    const read = await scrape(service);
    return [
      read.value('llama_router_unload_operations_total', { trigger: 'api', outcome: 'noop' }),
      read.value('llama_router_unload_refusals_total', { reason: 'not_matched' }),
      read.value('llama_router_usage_reports_total', { cause: 'chat', task: '' }),
    ];
  }

  async function restart(service: Service) {
    await service.stop();
    const next = await start();
    await ready(next);
    return next;
  }

  it('restores the counters of models', async () => {
    const [router, labels] = [await aRouter(), { router: 'box', model: 'tiny-a' }];
    configure({ box: router.url }, 'state: { file: state.json }\n');
    const first = await start();
    await ready(first);
    await router.load('tiny-a');
    await untilValue(first, 'model_loads_total', labels, 1);
    const second = await restart(first);
    expect(await metric(second, 'model_loads_total', labels)).toBe(1);
  });

  it('restores the counters of operations, refusals and usage reports, also when nothing else changed', async () => {
    const notification = recordedNotification('new/firing.json');
    const usage = { reports: [{ model: 'tiny-a', cause: 'chat' }] };
    const first = await start();
    await ready(first);
    await send(first, 'POST', '/api/v1/unload-all');
    await send(first, 'POST', '/api/v1/alertmanager', notification);
    await send(first, 'POST', '/api/v1/usage', usage);
    expect(await counters(first)).toEqual([1, 1, 1]);
    const second = await restart(first);
    expect(await counters(second)).toEqual([1, 1, 1]);
    await send(second, 'POST', '/api/v1/alertmanager', notification);
    const third = await restart(second);
    expect(await counters(third)).toEqual([1, 2, 1]);
    await send(third, 'POST', '/api/v1/usage', usage);
    expect(await counters(await restart(third))).toEqual([1, 2, 2]);
  });
});

describe('a hold', () => {
  const active = (service: Service) => metric(service, 'hold_active', { router: 'box' });
  const gate = async (service: Service) => (await fetch(url(service, '/api/v1/gate'))).status;
  const hold = async (service: Service, body: object) => {
    const answer = await send(service, 'POST', '/api/v1/holds', body);
    return { status: answer.status, body: (await answer.json()) as { id: string; enforce: boolean } };
  };

  it('survives a restart, and is logged when it is placed, released and expired', async () => {
    const { service: first } = await startOnRouter('state: { file: state.json }\nhold: { max: 2h }\n');
    expect([await active(first), await gate(first)]).toEqual([0, 204]);
    const placed = await hold(first, { ttl_seconds: 7200, reason: 'training' });
    expect(placed.status).toBe(201);
    expect([await active(first), await gate(first)]).toEqual([1, 503]);
    await first.stop();
    const second = await start();
    await ready(second);
    expect([await active(second), await gate(second)]).toEqual([1, 503]);
    expect((await send(second, 'DELETE', `/api/v1/holds/${placed.body.id}`)).status).toBe(200);
    expect([await active(second), await gate(second)]).toEqual([0, 204]);
    // On a busy machine a request with a time so soon may arrive too late.
    await soon('a hold', async () => {
      const soonOver = new Date(Date.now() + 150).toISOString();
      return (await hold(second, { until: soonOver })).status === 201;
    });
    await soon('its end', async () => (await active(second)) === 0 && (await gate(second)) === 204);
    const logged = lines
      .filter((line) => line.includes('msg="hold '))
      .map((line) => line.replace(/^.*? msg=/, '').replace(/hold=\S+/, 'hold=ID'));
    const until = expect.stringMatching(
      /^"hold placed" hold=ID router=box holder=loopback until=\S+Z reason=\S+ unload=none restore=false enforce=false\n$/,
    );
    expect(logged).toEqual([
      until,
      '"hold released" hold=ID router=box holder=loopback by=loopback\n',
      until,
      '"hold expired" hold=ID router=box holder=loopback\n',
    ]);
  });

  it('of an unload of less than a second is placed once', async () => {
    const { router, service } = await startOnRouter();
    await router.load('tiny-a');
    const answer = await send(service, 'POST', '/api/v1/unload-all', { hold_seconds: 60 });
    expect(await answer.json()).toMatchObject({ outcome: 'success' });
    expect(await active(service)).toBe(1);
    expect(lines.filter((line) => line.includes('msg="hold placed"'))).toHaveLength(1);
  });

  it('is limited by the configuration of the last reload', async () => {
    const { router, service } = await startOnRouter();
    configure({ box: router.url }, 'hold: { max: 1m, enforce: true }\n');
    await service.reload();
    expect((await hold(service, { ttl_seconds: 61 })).status).toBe(400);
    expect((await hold(service, { ttl_seconds: 60 })).body).toMatchObject({
      routers: ['box'],
      enforce: true,
    });
  });
});

describe('an address that is in use', () => {
  it('fails the start before the state file is read or a router contacted', async () => {
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
    await expect(start()).rejects.toMatchObject({ cause: { code: 'EADDRINUSE' } });
    expect(readdirSync(folder).sort()).toEqual(['config.yml', 'state.json']);
    expect(router.requests).toEqual([]);
  });
});
