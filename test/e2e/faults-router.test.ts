import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { valueIn } from '../support/exporter.ts';
import { type ExporterProcess, startExporterProcess } from '../support/exporter-process.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import type { AnswerFault } from '../support/simulator/faults.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';
import { startStoppableProxy } from '../support/stoppable-proxy.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

/**
 * One exporter that follows a router for each fault, and a sound one. All faults begin at the same time and last until each
 * has been tried several times.
 */

const TLS = join(import.meta.dirname, '..', 'fixtures', 'tls');
const tls = (name: string) => readFileSync(join(TLS, name), 'utf8');

/** A router with a loaded model, and how its fault begins and ends. */
interface Faulty {
  url: string;
  router: TestRouter;
  begin(): void;
  end(): void;
  stop(): unknown;
}

/** What the exporter says of a fault: the label of `poll_errors_total`, and the error. */
interface Case {
  start(): Promise<Faulty>;
  fault: string;
  error: RegExp;
}

const scratch = scratchFolder();
const hosts = join(scratch, 'hosts');
const HOSTS = '127.0.0.1 localhost router.test\n';

async function aRouter(): Promise<TestRouter> {
  const router = createTestRouter({ models: [{ id: 'tiny', loadSeconds: 0.01 }] });
  await router.listen();
  await router.load('tiny');
  return router;
}

const portOf = (url: string) => Number(new URL(url).port);

/** A router whose answers all have this fault. */
const answering = (fault: AnswerFault) => async (): Promise<Faulty> => {
  const router = await aRouter();
  return {
    url: router.url,
    router,
    begin: () => router.faults.next({ ...fault, on: '*', times: Number.POSITIVE_INFINITY }),
    end: router.faults.clear,
    stop: router.stop,
  };
};

async function hangingOnAccept(): Promise<Faulty> {
  const router = await aRouter();
  const proxy = await startStoppableProxy(portOf(router.url));
  const stop = async () => {
    proxy.stop();
    await router.stop();
  };
  return { url: proxy.url, router, begin: proxy.hang, end: proxy.resume, stop };
}

/** Its name is not resolved any more, and its connections are cut. */
async function withoutName(): Promise<Faulty> {
  const router = await aRouter();
  const proxy = await startTcpProxy(portOf(router.url));
  return {
    url: `http://router.test:${proxy.port}`,
    router,
    begin() {
      writeFileSync(hosts, '127.0.0.1 localhost\n');
      proxy.cut();
      proxy.mend();
    },
    end: () => writeFileSync(hosts, HOSTS),
    async stop() {
      await proxy.close();
      await router.stop();
    },
  };
}

async function withCertificate(): Promise<Faulty> {
  const router = await aRouter();
  const valid = { cert: tls('server.pem'), key: tls('server-key.pem') };
  const expired = { cert: tls('expired.pem'), key: tls('expired-key.pem') };
  const open = new Set<TLSSocket>();
  const server = createServer(valid, (client) => {
    const upstream = connect(portOf(router.url), '127.0.0.1');
    open.add(client);
    client.on('error', () => {}).on('close', () => open.delete(client) && upstream.destroy());
    upstream.on('error', () => {}).on('close', () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const client of open) client.destroy();
  };
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    router,
    begin() {
      server.setSecureContext(expired);
      cut();
    },
    end: () => server.setSecureContext(valid),
    async stop() {
      cut();
      server.close();
      await router.stop();
    },
  };
}

const CASES: Record<string, Case> = {
  'a router that hangs on accept': {
    start: hangingOnAccept,
    fault: 'timeout',
    error: /did not answer within 3 s/,
  },
  'a router that hangs before its headers': {
    start: answering({ kind: 'hang' }),
    fault: 'timeout',
    error: /did not answer within 3 s/,
  },
  'a router that hangs in a body': {
    start: answering({ kind: 'hang_body' }),
    fault: 'timeout',
    error: /did not answer within 3 s/,
  },
  'a router that resets connections': {
    start: answering({ kind: 'reset' }),
    fault: 'unreachable',
    error: /closed the connection before its answer was complete/,
  },
  'a router that answers 500': {
    start: answering({ kind: 'error' }),
    fault: 'bad_answer',
    error: /models answers 500: .*out of ideas/,
  },
  'a router that answers garbage': {
    start: answering({ kind: 'garbage' }),
    fault: 'bad_answer',
    error: /models/,
  },
  'a listing of 100 MB': {
    start: answering({ kind: 'huge_body' }),
    fault: 'bad_answer',
    error: /models answers more than 33554432 bytes/,
  },
  'a host name that cannot be resolved': {
    start: withoutName,
    fault: 'unreachable',
    error: /the host name cannot be resolved/,
  },
  'an expired certificate': {
    start: withCertificate,
    fault: 'unreachable',
    error: /certificate has expired/,
  },
};

/** Listings of a faulty router before its fault ends. */
const ATTEMPTS = 2;

let exporter: ExporterProcess;
let sound: TestRouter;
let silent: TestRouter;
const faulty = new Map<string, Faulty>();
const faultyRouter = (name: string) => faulty.get(name) as Faulty;
const nameOf = ({ url }: { url: string }) => new URL(url).host;

const scrape = async () => (await fetch(`${exporter.url}/metrics`)).text();
const value = async (of: { url: string }, metric: string, labels: Record<string, string> = {}) =>
  valueIn(await scrape(), `llama_router_${metric}`, { router: nameOf(of), ...labels });
const isUp = async (of: { url: string }) => (await value(of, 'up')) === 1;
const LOADED = { model: 'tiny', status: 'loaded' };

async function faultOf(of: { url: string }): Promise<string | undefined> {
  const answer = await fetch(`${exporter.url}/api/v1/routers`);
  const { routers } = (await answer.json()) as {
    routers: { name: string; fault: { message: string } | null }[];
  };
  return routers.find(({ name }) => name === nameOf(of))?.fault?.message;
}

const linesOf = (of: { url: string }, message: string) =>
  exporter
    .log()
    .split('\n')
    .filter((line) => line.includes(`msg="${message}"`) && line.includes(`router=${nameOf(of)}`));

beforeAll(async () => {
  writeFileSync(hosts, HOSTS);
  writeFileSync(join(scratch, 'resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
  writeFileSync(join(scratch, 'ca.pem'), tls('ca.pem') + tls('expired.pem'));
  sound = await aRouter();
  silent = await aRouter();
  silent.faults.next({ kind: 'half_event', on: '/models/sse' });
  for (const [name, { start }] of Object.entries(CASES)) faulty.set(name, await start());
  exporter = await startExporterProcess(
    [sound, silent, ...faulty.values()],
    {
      'follow.request-timeout': '3s',
      'follow.listing-interval': '1s',
      'follow.reconnect-min': '200ms',
      'follow.reconnect-max': '1s',
      'engine.read': 'off',
      'memory.nvidia-smi': '',
    },
    { LLAMA_SERVER_CA_FILE: join(scratch, 'ca.pem') },
    `mount --bind ${hosts} /etc/hosts\nmount --bind ${join(scratch, 'resolv.conf')} /etc/resolv.conf`,
  );
  for (const each of faulty.values()) {
    await until(`${each.url} to be up`, async () => (await value(each, 'model_status', LOADED)) === 1);
  }
});

afterAll(async () => {
  await exporter?.stop();
  await Promise.all([sound?.stop(), silent?.stop(), ...[...faulty.values()].map(({ stop }) => stop())]);
});

it('half an event and silence: the next listing shows what it kept silent about, and the stream is opened again', async () => {
  const labels = { model: 'tiny', reason: 'external' };
  expect(await value(silent, 'event_stream_connected')).toBe(1);
  silent.unload('tiny');
  await until('the unload', async () => (await value(silent, 'model_unloads_total', labels)) === 1);
  const isBack = async () =>
    (await value(silent, 'event_stream_connected')) === 1 &&
    (await value(silent, 'event_stream_reconnects_total')) === 1;
  await until('another stream', isBack);
  await silent.load('tiny');
  await until('the load', async () => (await value(silent, 'model_loads_total', { model: 'tiny' })) === 1);
  expect(await value(silent, 'events_total', { event: 'model_status' })).toBeGreaterThan(0);
  expect(linesOf(silent, 'event stream connecting')).toHaveLength(1);
  expect(linesOf(silent, 'router down')).toEqual([]);
});

describe('while it lasts', () => {
  beforeAll(async () => {
    for (const { begin } of faulty.values()) begin();
    for (const [name, { fault }] of Object.entries(CASES)) {
      const attempts = () => value(faultyRouter(name), 'poll_errors_total', { fault });
      await until(`${ATTEMPTS} listings of ${name}`, async () => ((await attempts()) ?? 0) >= ATTEMPTS);
    }
  });

  it.each(Object.entries(CASES))('%s: down, no models, one log line', async (name, { fault, error }) => {
    const router = faultyRouter(name);
    expect(await value(router, 'up')).toBe(0);
    expect(await value(router, 'event_stream_connected')).toBe(0);
    expect(await value(router, 'model_status', LOADED)).toBeUndefined();
    const lines = linesOf(router, 'router down');
    // On a busy machine, one of another kind may come before: a time limit has passed.
    expect(lines.length).toBeLessThanOrEqual(2);
    const own = lines.filter((line) => line.includes(`fault=${fault} error=`));
    // A connection that was cut before is the same kind of fault.
    expect(own).toEqual([expect.stringMatching(new RegExp(`${error.source}|closed the connection`))]);
    await until('its own error', async () => error.test((await faultOf(router)) ?? ''));
  });

  it('a sound router next to them is followed as ever', async () => {
    expect(await value(sound, 'model_status', LOADED)).toBe(1);
    sound.unload('tiny');
    await until(
      'its event',
      async () => (await value(sound, 'model_unloads_total', { model: 'tiny', reason: 'external' })) === 1,
    );
    expect(linesOf(sound, 'router down')).toEqual([]);
  });
});

describe('when it has ended', () => {
  beforeAll(() => {
    for (const { end } of faulty.values()) end();
  });

  it.each(Object.keys(CASES))('%s: up again with its models after the next listing', async (name) => {
    const router = faultyRouter(name);
    await until('it to be up', () => isUp(router));
    expect(await value(router, 'model_status', LOADED)).toBe(1);
    await until('its stream', async () => (await value(router, 'event_stream_connected')) === 1);
    expect(linesOf(router, 'router up')).toHaveLength(2);
    // Nothing was loaded or unloaded meanwhile.
    expect(await value(router, 'model_loads_total', { model: 'tiny' })).toBe(0);
  });
});
