import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Operation } from '../../src/unload/report.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { parseExposition } from '../support/exposition.ts';
import { freePort } from '../support/free-port.ts';
import { grafanaNotification } from '../support/notification.ts';
import { empty, keepBusy, load, runningOn } from '../support/orders.ts';
import { type Monitor, pairVersions, startAlertmanager } from '../support/prometheus.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { startWebhookTap, type WebhookTap } from '../support/webhook-tap.ts';

/** Each has its own receiver and route. */
const STORIES = ['once', 'repeat', 'token', 'stranger', 'curious'] as const;

type Story = (typeof STORIES)[number];

const TOKENS = {
  token: 'token-of-alertmanager',
  curious: 'token-of-somebody-curious',
  stranger: 'token-of-a-stranger',
};

/** How long a peer waits for the one before it to send. */
const PEER_TIMEOUT_MS = 4000;

let router: RealRouter;
let folder: string;

beforeAll(async () => {
  router = await startRealRouter({ models: ['tiny-a', 'tiny-b', 'mid'], modelsMax: 0 });
  folder = makeRunFolder('webhook');
  for (const [name, token] of Object.entries(TOKENS)) writeFileSync(join(folder, `${name}.token`), token);
});
afterAll(async () => {
  await router?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Stops what a test started, in reverse order. */
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await empty(router);
});

const configOf = (urls: Record<Story, string>) => `
route:
  receiver: none
  group_by: [story, test, round]
  group_wait: 300ms
  group_interval: 1s
  routes:
${STORIES.map(
  (story) => `
    - matchers: ['story="${story}"']
      receiver: ${story}
      repeat_interval: ${story === 'repeat' ? '1s' : '4h'}`,
).join('')}
receivers:
  - name: none
${STORIES.map(
  (story) => `
  - name: ${story}
    webhook_configs:
      - url: ${urls[story]}${credentialsOf(story)}`,
).join('')}
`;

function credentialsOf(story: Story): string {
  if (!(story in TOKENS)) return '';
  return `
        http_config: { authorization: { credentials_file: '${join(folder, `${story}.token`)}' } }`;
}

interface PostedAlert {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ended?: boolean;
}

const MINUTE = 60_000;

/** Posts alerts to an Alertmanager, as Prometheus does; alerts of different tests are separate. */
async function post(alertmanager: Monitor, story: Story, ...alerts: PostedAlert[]): Promise<void> {
  const now = Date.now();
  const time = (ms: number) => new Date(ms).toISOString();
  const test = expect.getState().currentTestName ?? '';
  const body = alerts.map(({ labels, annotations, ended }) => ({
    labels: { alertname: 'MemoryIsShort', action: 'unload', story, test, ...labels },
    annotations,
    startsAt: time(ended ? now - 1 : now),
    endsAt: time(ended ? now : now + 60 * MINUTE),
  }));
  const answer = await fetch(`${alertmanager.url}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
}

/** The operations of the exporter, oldest first, as soon as its counters agree. */
async function operationsOf(exporter: RunningExporter): Promise<Operation[]> {
  return until('operations and their counters to agree', async () => {
    const answer = await fetch(`${exporter.url}/api/v1/operations`);
    const { operations } = (await answer.json()) as { operations: Operation[] };
    const counted = parseExposition(await exporter.scrape())
      .families.filter(({ name }) => name === 'llama_router_unload_operations_total')
      .flatMap(({ samples }) => samples)
      .flatMap(({ labels, value }) => Array(value).fill(`${labels.trigger} ${labels.outcome}`));
    const listed = operations.map(({ trigger, outcome }) => `${trigger} ${outcome}`);
    return String(listed.sort()) === String(counted.sort()) && operations.reverse();
  });
}

const outcomesOf = async (exporter: RunningExporter) =>
  (await operationsOf(exporter)).map(({ outcome }) => outcome);

/** The models that operations have unloaded, with the times that each has gone. */
async function unloadsOf(exporter: RunningExporter): Promise<Record<string, number>> {
  const scrape = parseExposition(await exporter.scrape());
  const unloads = scrape.families.find(({ name }) => name === 'llama_router_model_unloads_total');
  const rows = unloads?.samples.filter(({ labels, value }) => labels.reason === 'requested' && value > 0);
  return Object.fromEntries((rows ?? []).map(({ labels, value }) => [labels.model, value]));
}

const refusals = (exporter: RunningExporter, reason: string) =>
  exporter.value('llama_router_unload_refusals_total', { reason });

describe.each(pairVersions)('a real Alertmanager (%s)', (version) => {
  let taps: Record<Story, WebhookTap>;
  let alertmanager: Monitor;

  beforeAll(async () => {
    const started = await Promise.all(
      STORIES.map(async (story) => [story, await startWebhookTap()] as const),
    );
    taps = Object.fromEntries(started) as typeof taps;
    alertmanager = await anAlertmanager();
  });
  afterAll(async () => {
    await alertmanager?.stop();
    await Promise.all(Object.values(taps ?? {}).map((tap) => tap.stop()));
  });
  afterEach(() => {
    for (const tap of Object.values(taps)) tap.passTo(undefined);
  });

  function anAlertmanager(more: Partial<Parameters<typeof startAlertmanager>[0]> = {}): Promise<Monitor> {
    const urls = Object.fromEntries(STORIES.map((story) => [story, taps[story].url]));
    const config = configOf(urls as Record<Story, string>);
    return startAlertmanager({ version, config, folders: [folder], ...more });
  }

  /** An exporter behind the receivers of these stories: every test has its own, and counts from 0. */
  async function anExporter(
    stories: readonly Story[],
    flags: Record<string, string> = {},
    url = router.url,
  ): Promise<RunningExporter> {
    const exporter = await startExporter([url], { 'unload.cooldown': '0s', ...flags });
    ends.push(exporter.stop);
    for (const story of stories) taps[story].passTo(exporter.url);
    return exporter;
  }

  const answers = (story: Story, count = 1) =>
    until(`answer ${count}`, () => taps[story].answers.length >= count && taps[story].answers);

  it('unloads idle models once', async () => {
    const exporter = await anExporter(['once']);
    await load(router, 'tiny-a', 'tiny-b');
    await post(alertmanager, 'once', { labels: { router: `127.0.0.1:${router.port}` } });
    const [answer] = await answers('once');
    expect(await runningOn(router)).toEqual([]);
    expect(answer).toMatchObject({ status: 200, body: { outcome: 'success' } });
    const [operation, ...more] = await operationsOf(exporter);
    expect(more).toEqual([]);
    expect(operation).toMatchObject({
      trigger: 'alertmanager',
      caller: { name: 'loopback' },
      reason: 'MemoryIsShort',
      outcome: 'success',
      summary: { unloaded: 2, already_unloaded: 0, kept: 0, busy: 0, failed: 0 },
    });
    expect(answer?.body.operations).toEqual([operation]);
    expect(await unloadsOf(exporter)).toEqual({ 'tiny-a': 1, 'tiny-b': 1 });
  });

  it('repeats an alert: refused during the cooldown, then executed again', async () => {
    const exporter = await anExporter(['repeat'], { 'unload.cooldown': '10s' });
    await load(router, 'tiny-a');
    await post(alertmanager, 'repeat', {});
    await answers('repeat');
    await load(router, 'tiny-b');
    const [, second] = await answers('repeat', 2);
    expect(second).toMatchObject({ status: 200, body: { outcome: 'refused', reason: 'cooldown' } });
    expect(await runningOn(router)).toEqual(['tiny-b']);
    await until('the end of the cooldown', async () => (await runningOn(router)).length === 0);
    const last = taps.repeat.answers.length + 1;
    expect((await answers('repeat', last))[last - 1]?.status).toBe(200);
    const given = [...taps.repeat.answers];
    taps.repeat.passTo(undefined);
    const outcomes = await outcomesOf(exporter);
    expect(outcomes).toEqual(given.map(({ body }) => body.outcome));
    expect(outcomes.filter((outcome) => outcome === 'success')).toHaveLength(2);
    expect(await refusals(exporter, 'cooldown')).toBe(
      outcomes.filter((outcome) => outcome === 'refused').length,
    );
    expect(await unloadsOf(exporter)).toEqual({ 'tiny-a': 1, 'tiny-b': 1 });
  });

  it('resolves alerts: only firing alerts are acted on', async () => {
    const exporter = await anExporter(['once']);
    const about = (model: string, ended = false): PostedAlert => ({
      labels: { about: model },
      annotations: { unload_models: model },
      ended,
    });
    await load(router, 'tiny-a', 'tiny-b');
    await post(alertmanager, 'once', about('tiny-a'), about('tiny-b'));
    await answers('once', 1);
    expect(await runningOn(router)).toEqual([]);
    await load(router, 'tiny-a', 'tiny-b');
    await post(alertmanager, 'once', about('tiny-a', true));
    await answers('once', 2);
    expect(await runningOn(router)).toEqual(['tiny-a']);
    await post(alertmanager, 'once', about('tiny-b', true));
    const [, , third] = await answers('once', 3);
    expect(third).toMatchObject({
      status: 200,
      body: { outcome: 'noop', reason: 'resolved', operations: [] },
    });
    expect(await runningOn(router)).toEqual(['tiny-a']);
    expect(await outcomesOf(exporter)).toEqual(['success', 'success']);
    expect(await unloadsOf(exporter)).toEqual({ 'tiny-a': 1, 'tiny-b': 2 });
  });

  it('is answered in time when a model is busy, and the model finishes first', async () => {
    const exporter = await anExporter(['once'], { 'unload.answer-within': '2500ms' });
    const generation = await keepBusy(router, 'mid');
    await post(alertmanager, 'once', {});
    const [first] = await answers('once');
    expect(first).toMatchObject({
      status: 202,
      body: {
        operations: [
          {
            outcome: null,
            routers: [{ models: [{ model: 'mid', result: null, detail: 'it is generating' }] }],
          },
        ],
      },
    });
    // Alertmanager itself gives up after ten.
    expect(first?.seconds).toBeLessThan(9);
    expect(await generation.finish()).toBe(true);
    const [operation] = await operationsOf(exporter);
    expect(operation?.routers[0]?.models).toEqual([
      { model: 'mid', result: 'unloaded', seconds: expect.any(Number) },
    ]);
    expect(await runningOn(router)).toEqual([]);
    // It flushes the group every second, and is content.
    expect(taps.once.answers).toHaveLength(1);
  });

  it('retries until the router is reachable', async () => {
    const proxy = await startTcpProxy(router.port);
    ends.push(proxy.close);
    const url = `http://127.0.0.1:${proxy.port}`;
    const exporter = await anExporter(['once'], { 'follow.reconnect-max': '500ms' }, url);
    await load(router, 'tiny-a');
    proxy.cut();
    await exporter.untilValue('llama_router_up', {}, 0);
    await post(alertmanager, 'once', {});
    expect(await answers('once', 2)).toMatchObject([
      { status: 503, body: { outcome: 'failed' } },
      { status: 503, body: { outcome: 'failed' } },
    ]);
    expect(await runningOn(router)).toEqual(['tiny-a']);
    proxy.mend();
    await until('the unload', async () => (await runningOn(router)).length === 0);
    const outcomes = await until('an answer that is no failure', async () => {
      const given = taps.once.answers.map(({ status }) => status);
      return given.at(-1) === 200 && given;
    });
    expect((await outcomesOf(exporter)).map((outcome) => (outcome === 'success' ? 200 : 503))).toEqual(
      outcomes,
    );
    expect(outcomes.filter((status) => status === 200)).toHaveLength(1);
    expect(await unloadsOf(exporter)).toEqual({ 'tiny-a': 1 });
  });

  it('retries until the exporter is reachable', async () => {
    const failures = async () => {
      const metrics = await (await fetch(`${alertmanager.url}/metrics`)).text();
      return Number(
        /^alertmanager_notification_requests_failed_total\{.*"webhook".*\} (\d+)$/m.exec(metrics)?.[1],
      );
    };
    await load(router, 'tiny-a');
    const before = await failures();
    await post(alertmanager, 'once', {});
    await until('two attempts', async () => (await failures()) >= before + 2);
    const exporter = await anExporter(['once']);
    expect(await answers('once')).toMatchObject([{ status: 200, body: { outcome: 'success' } }]);
    expect(await outcomesOf(exporter)).toEqual(['success']);
    expect(await unloadsOf(exporter)).toEqual({ 'tiny-a': 1 });
  });

  it('retries what the exporter did not finish at shutdown', async () => {
    const first = await anExporter(['once']);
    const generation = await keepBusy(router, 'mid');
    await post(alertmanager, 'once', {});
    await until('the model to be waited for', () => first.service.operations.list().length > 0);
    await first.stop();
    const [undone, ...later] = await answers('once');
    expect(undone).toMatchObject({ status: 503, body: { outcome: 'failed' } });
    expect(undone?.body.detail).toMatch(/^the exporter is shutting down/);
    expect(later.map(({ status }) => status)).toEqual(later.map(() => 503));
    const second = await anExporter(['once']);
    expect(await generation.finish()).toBe(true);
    await until('the unload', async () => (await runningOn(router)).length === 0);
    expect(await outcomesOf(second)).toEqual(['success']);
    expect(await unloadsOf(second)).toEqual({ mid: 1 });
  });

  it('has the permissions of its token: write, none, or dry run', async () => {
    const file = join(folder, 'config.yml');
    writeFileSync(
      file,
      `auth:
  tokens:
    - { name: alertmanager, token: ${TOKENS.token} }
    - { name: curious, token: ${TOKENS.curious}, dry_run: true }
`,
    );
    const exporter = await anExporter(['token', 'stranger', 'curious'], { 'config.file': file });
    await load(router, 'tiny-a');
    await post(alertmanager, 'stranger', {});
    const [refused] = await answers('stranger');
    expect(refused).toMatchObject({ status: 401, body: { title: 'Unauthorized' } });
    await until('its log to tell', () => alertmanager.log().includes(String(refused?.body.detail)));
    expect(await refusals(exporter, 'unauthorized')).toBeGreaterThanOrEqual(1);
    expect(await operationsOf(exporter)).toEqual([]);

    await post(alertmanager, 'curious', {});
    expect(await answers('curious')).toMatchObject([{ status: 200, body: { outcome: 'dry_run' } }]);
    expect(await runningOn(router)).toEqual(['tiny-a']);

    await post(alertmanager, 'token', {});
    expect(await answers('token')).toMatchObject([{ status: 200, body: { outcome: 'success' } }]);
    expect(await runningOn(router)).toEqual([]);
    expect(await operationsOf(exporter)).toMatchObject([
      { caller: { name: 'curious' }, outcome: 'dry_run', dry_run: true },
      { caller: { name: 'alertmanager' }, outcome: 'success' },
    ]);
    expect(await unloadsOf(exporter)).toEqual({ 'tiny-a': 1 });
  });

  it('is paused by a reload loop, unlike a person', async () => {
    const exporter = await anExporter(['once']);
    const paused = () => exporter.value('llama_router_unload_paused', { trigger: 'alertmanager' });
    const comesBack = async () => expect((await complete(router, 'tiny-a', { tokens: 1 })).status).toBe(200);
    await comesBack();
    for (const round of ['1', '2', '3']) {
      expect(await paused()).toBe(0);
      await post(alertmanager, 'once', { labels: { round } });
      await until(`unload ${round}`, () => taps.once.answers.length === Number(round));
      expect(await runningOn(router)).toEqual([]);
      await comesBack();
    }
    await until('the pause', async () => (await paused()) === 1);
    await post(alertmanager, 'once', { labels: { round: '4' } });
    const [, , , fourth] = await answers('once', 4);
    expect(fourth).toMatchObject({ status: 200, body: { outcome: 'refused', reason: 'reload_loop' } });
    expect(await runningOn(router)).toEqual(['tiny-a']);
    expect(await refusals(exporter, 'reload_loop')).toBe(1);
    expect(exporter.log()).toMatch(
      /level=warn msg="reload loop detected; automatic unloads paused" router=\S+ trigger=alertmanager models=tiny-a/,
    );
    expect(await outcomesOf(exporter)).toEqual(['success', 'success', 'success', 'refused']);

    const person = await fetch(`${exporter.url}/api/v1/unload-all`, { method: 'POST' });
    expect(person.status).toBe(200);
    expect(await runningOn(router)).toEqual([]);
    expect(await unloadsOf(exporter)).toEqual({ 'tiny-a': 4 });
  });

  it('that is not meshed sends the same alert again: one unload', async () => {
    const other = await anAlertmanager();
    ends.push(other.stop);
    const exporter = await anExporter(['once'], {
      'unload.cooldown': '1m',
      'unload.answer-within': '2500ms',
    });
    const generation = await keepBusy(router, 'mid');
    await Promise.all([post(alertmanager, 'once', {}), post(other, 'once', {})]);
    const given = await answers('once', 2);
    expect(given.map(({ status }) => status < 300)).toEqual([true, true]);
    const ids = given.flatMap(({ body }) => (body.operations as Operation[]).map(({ id }) => id));
    expect(await generation.finish()).toBe(true);
    const [operation] = await operationsOf(exporter);
    expect(ids).toEqual([operation?.id, operation?.id]);
    expect(await outcomesOf(exporter)).toEqual(['success']);
    expect(await unloadsOf(exporter)).toEqual({ mid: 1 });
    expect(exporter.log()).toContain('request joined a running operation');
  });

  it('that is meshed sends once for both', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const flags = [`--cluster.peer-timeout=${PEER_TIMEOUT_MS}ms`, '--cluster.gossip-interval=50ms'];
    const pair = await Promise.all([
      anAlertmanager({ cluster: { port: one, peers: [two] }, flags }),
      anAlertmanager({ cluster: { port: two, peers: [one] }, flags }),
    ]);
    ends.push(...pair.map(({ stop }) => stop));
    for (const each of pair) await until('the peers to meet', () => isMeshed(each));
    const exporter = await anExporter(['once']);
    await load(router, 'tiny-a');
    await Promise.all(pair.map((each) => post(each, 'once', {})));
    await answers('once');
    await load(router, 'tiny-a');
    // By then the second peer could have sent, and knows from the first that the notification was sent.
    await sleep(PEER_TIMEOUT_MS + 1000);
    expect(taps.once.answers).toHaveLength(1);
    expect(await outcomesOf(exporter)).toEqual(['success']);
    expect(await runningOn(router)).toEqual(['tiny-a']);
  });
});

describe.each(['POST', 'PUT'])('a notification as Grafana sends it, by %s', (method) => {
  async function notify(exporter: RunningExporter, name: string) {
    const notification = grafanaNotification(name);
    // The models have just been loaded.
    const annotations = { summary: 'GPU memory is full' };
    const alerts = notification.alerts.slice(0, 1).map((alert) => ({
      ...alert,
      labels: { ...(alert.labels as object), router: `127.0.0.1:${router.port}` },
      annotations,
    }));
    const answer = await fetch(`${exporter.url}/webhook/grafana`, {
      method,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ ...notification, alerts }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  it('unloads idle models of a real router, and none if the rule had no data', async () => {
    const exporter = await startExporter([router.url], { 'unload.cooldown': '0s' });
    ends.push(exporter.stop);
    await load(router, 'tiny-a', 'tiny-b');
    expect(await notify(exporter, 'no-data')).toMatchObject({ status: 200, body: { reason: 'no_data' } });
    expect((await runningOn(router)).toSorted()).toEqual(['tiny-a', 'tiny-b']);
    expect(await notify(exporter, 'firing')).toMatchObject({ status: 200, body: { outcome: 'success' } });
    expect(await runningOn(router)).toEqual([]);
    expect(await unloadsOf(exporter)).toEqual({ 'tiny-a': 1, 'tiny-b': 1 });
  });
});

async function isMeshed(alertmanager: Monitor): Promise<boolean> {
  const { cluster } = (await alertmanager.api('/api/v2/status')) as {
    cluster: { status: string; peers?: unknown[] };
  };
  return cluster.status === 'ready' && cluster.peers?.length === 2;
}
