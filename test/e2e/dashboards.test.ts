import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createSimulatedMemory } from '../../simulator/simulated-memory.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { startMemory } from '../../src/memory/memory.ts';
import { dashboardFiles, queriesOf, type Target } from '../support/dashboard-files.ts';
import { type DrawnPanel, drawDashboards } from '../support/drawn-dashboards.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { type PairVersion, type Prometheus, pairVersions, startPrometheus } from '../support/prometheus.ts';
import { rulesFolder } from '../support/rule-files.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

const TOKEN = 'token-of-the-dashboards';
const GB = 1_000_000_000;

/** Drawn, and 0 from end to end: no guard trips here, and the simulator reads its memory in no time. */
const ALWAYS_ZERO = [
  'operations.json: 12. Loop protection, A',
  'exporter.json: 12. Memory reading duration, A',
];

let main: TestRouter;
let attic: TestRouter;
let exporter: RunningExporter;
let folder: string;
/** Seconds since the epoch: the start of Prometheus, and the time of the queries. */
let startedAt: number;
let glanceAt: number;
const monitors = new Map<PairVersion, Prometheus>();

beforeAll(async () => {
  folder = makeRunFolder('dashboards');
  main = createTestRouter({
    models: [
      { id: 'chat', sizeBytes: 5 * GB, loadSeconds: 0.4, tokensPerSecond: 200 },
      { id: 'code', sizeBytes: 16 * GB, loadSeconds: 0.8, tokensPerSecond: 100 },
      { id: 'draw', sizeBytes: 12 * GB, loadSeconds: 0.6, tokensPerSecond: 100 },
    ],
    modelsMax: 2,
    slotsPerModel: 1,
    sleepIdleSeconds: 6,
    stopTimeoutSeconds: 1,
  });
  attic = createTestRouter({ models: [{ id: 'embed', loadSeconds: 0.2 }] });
  const [{ url }, { url: other }] = await Promise.all([main.listen(), attic.listen()]);
  const measure = createSimulatedMemory(main, new URL(url).host, systemClock);
  exporter = await startExporter(
    [url, other],
    {
      'engine.interval': '1s',
      'follow.listing-interval': '2s',
      'policy.interval': '1s',
      'policy.hold-grace': '1s',
      'audit.file': join(folder, 'audit.jsonl'),
      'state.file': join(folder, 'state.json'),
    },
    { LLAMA_ROUTER_EXPORTER_TOKEN: TOKEN },
    {
      memory: startMemory({ measure: async () => measure(), intervalMs: 500, timeoutMs: 1000 }, systemClock),
    },
  );
  startedAt = Date.now() / 1000;
  for (const version of pairVersions)
    monitors.set(version, await startPrometheus({ version, config: config() }));
  await seen('up == 1');
  await live();
});

afterAll(async () => {
  for (const prometheus of monitors.values()) await prometheus.stop();
  await exporter?.stop();
  await Promise.all([main?.stop(), attic?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

/** As shipped, but faster. */
function config(): string {
  const job = `{ job_name: llama-router-exporter, static_configs: [{ targets: ['${new URL(exporter.url).host}'] }] }`;
  return `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ['${rulesFolder}/*.yml']
scrape_configs: [${job}]
`;
}

/** Everything that can happen to models, routers and operations, within some twenty seconds. */
async function live(): Promise<void> {
  const router = new URL(main.url).host;
  const value = (name: string, labels: Record<string, string>, wanted: number) =>
    exporter.untilValue(name, { router, ...labels }, wanted);

  // Used, with more requests than slots; two more models, for which there is no room; one that fails.
  await main.load('chat');
  // A model is not read in the first seconds after its load.
  await value('llamacpp:requests_deferred', { model: 'chat' }, 0);
  const answers = [1, 2, 3].map(() => main.request('chat', { tokens: 100_000, promptTokens: 400 }));
  await value('llama_router_model_busy', { model: 'chat' }, 1);
  await seen('llamacpp:requests_deferred{model="chat"} == 2');
  for (const [index, answer] of answers.entries()) {
    // Its metrics are read while it works: the loads that follow may evict it unread.
    if (index === 2) await seen('increase(llamacpp:tokens_predicted_total{model="chat"}[1m]) > 0');
    main.model('chat').engine.finishRunning();
    await answer;
  }
  await main.request('code', { tokens: 100 });
  await main.request('draw', { tokens: 100 });
  await value('llama_router_model_unloads_total', { model: 'chat', reason: 'evicted' }, 1);
  main.model('chat').failsNext = true;
  await main.load('chat');
  await value('llama_router_model_load_failures_total', { model: 'chat' }, 1);

  // A crash in the middle of an answer, and a load after it; a nap and a wake.
  const broken = main.request('draw', { seconds: 3600 });
  await value('llama_router_model_busy', { model: 'draw' }, 1);
  main.crash('draw');
  await broken;
  await main.load('draw');
  await value('llama_router_model_sleeps_total', { model: 'draw' }, 1);
  await main.request('draw', { tokens: 10 });

  // Unloaded by hand, and loaded again; nothing there; a dry run; an alert, its repetition, and ones of strangers.
  await post('/api/v1/usage', { reports: [{ model: 'code', cause: 'api' }] });
  await post('/api/v1/unload-all', { routers: [router] });
  await seen('llama_router_model_reloads_after_unload_total{model="draw",cause="chat"} == 0');
  await post('/api/v1/usage', { reports: [{ model: 'draw', cause: 'chat' }] });
  await main.request('draw', { tokens: 10 });
  await value(
    'llama_router_model_reloads_after_unload_total',
    { model: 'draw', unload_reason: 'requested', cause: 'chat' },
    1,
  );
  await post('/api/v1/unload', { routers: [router], models: ['chat'] });

  // A model that does not stop in time; a hold that cannot get its memory; one whose models are loaded again.
  const endless = main.request('draw', { seconds: 3600 });
  await value('llama_router_model_busy', { model: 'draw' }, 1);
  await post('/api/v1/unload', { routers: [router], models: ['draw'], when_busy: 'force' });
  await endless;
  await value('llama_router_model_forced_stops_total', { model: 'draw' }, 1);
  await main.load('draw');
  const held = { routers: [router], ttl_seconds: 600 };
  await value('llama_router_model_status', { model: 'draw', status: 'loaded' }, 1);
  await post('/api/v1/holds', { ...held, need_bytes: 102 * GB, unload: 'none', wait: 60 }, { status: 502 });
  const placed = await post('/api/v1/holds', { ...held, unload: 'all', restore: true }, { status: 201 });
  await seen('llama_router_holds == 1');
  await post(`/api/v1/holds/${placed.id}`, undefined, { method: 'DELETE' });
  await value('llama_router_restored_models_total', { result: 'loaded' }, 1);
  await main.request('draw', { tokens: 10 });
  await post('/api/v1/unload-all', { routers: [router], dry_run: true });
  await post('/api/v1/alertmanager', notification(router));
  await main.load('draw');
  await post('/api/v1/alertmanager', notification(router));
  await post('/api/v1/alertmanager', notification('missing'));
  for (const _ of [1, 2, 3])
    await post('/api/v1/unload-all', {}, { token: 'token-of-a-stranger', status: 401 });

  // A look at it while one router is down and the other is held, with a busy model and an idle one.
  await attic.stop();
  await post('/api/v1/holds', held, { status: 201 });
  await main.load('code');
  // As a client that reads /slots: it does not fall asleep before the look.
  const awake = setInterval(() => main.model('code').wake(), 1000);
  const long = main.request('draw', { tokens: 100_000 });
  await seen('llama_router_up == 0');
  await seen('llama_router_model_busy{model="draw"} == 1');
  await seen('llama_router_model_busy{model="code"} == 0');
  await seen('ALERTS{alertname="LlamaRouterUnloadRefused",alertstate="firing"}');
  glanceAt = Date.now() / 1000;
  clearInterval(awake);
  main.model('draw').engine.finishRunning();
  await long;

  // It is back; and the hold is enforced.
  await attic.start();
  await post('/api/v1/holds', { ...held, enforce: true }, { status: 201 });
  // Long enough ago for a step of a graph, one second each, to have met it.
  await seen('llama_router_up offset 2s == 1 and min_over_time(llama_router_up[1m]) == 0');
  await seen('increase(llama_router_hold_enforced_unloads_total[1m] offset 2s) > 0');
}

/** Resolves when both have it. */
async function seen(promql: string): Promise<void> {
  for (const prometheus of monitors.values()) {
    await until(promql, async () => (await prometheus.query(promql)).length > 0, { everyMs: 100 });
  }
}

async function post(path: string, body: unknown, { token = TOKEN, method = 'POST', status = 200 } = {}) {
  const answer = await fetch(exporter.url + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const value = (await answer.json()) as { id?: string };
  expect([path, answer.status, value]).toEqual([path, status, expect.anything()]);
  return value;
}

function notification(router: string) {
  const labels = { alertname: 'GpuMemoryHigh', action: 'unload', router };
  return {
    version: '4',
    groupKey: '{}:{}',
    receiver: 'unload',
    status: 'firing',
    alerts: [{ status: 'firing', labels, annotations: {}, startsAt: new Date().toISOString() }],
  };
}

describe.each(pairVersions)('Prometheus (%s)', (version) => {
  const everyQuery = dashboardFiles().flatMap(([name, file]) =>
    queriesOf(file).map(([what, target]): [string, Target] => [`${name}: ${what}`, target]),
  );
  const ask = (target: Target) => seriesOf(monitors.get(version) as Prometheus, target);

  it.each(everyQuery)('returns series for %s', async (what, target) => {
    const values = await ask(target);
    expect(values.length).toBeGreaterThan(0);
    expect(values.some((value) => value !== 0)).toBe(!ALWAYS_ZERO.includes(what));
  });

  it('returns free memory last, at the end of the bar', async () => {
    const [, overview] = dashboardFiles().find(([name]) => name === 'overview.json') ?? [];
    const bar = overview?.panels.find(({ type }) => type === 'barchart')?.targets[0] as Target;
    const parts = (await samplesOf(monitors.get(version) as Prometheus, bar.expr)).map(
      ({ metric }) => metric,
    );
    expect(parts.map(({ holder }) => holder).slice(-2)).toEqual(['other processes', 'free']);
    expect(parts.map(({ holder }) => holder).toSorted()).toEqual(['code', 'draw', 'free', 'other processes']);
    const card = `GPU 0 ${new URL(exporter.url).host}`;
    expect(new Set(parts.map((part) => part.card))).toEqual(new Set([card]));
  });
});

describe("Grafana's own components", () => {
  let drawn: readonly DrawnPanel[];
  beforeAll(async () => {
    const { url } = monitors.get('new') as Prometheus;
    drawn = await drawDashboards({ prometheus: url, from: startedAt, to: Date.now() / 1000, now: glanceAt });
  }, 300_000);

  it.each(dashboardFiles())('draw every panel of %s', (name, { panels }) => {
    const of = drawn.filter(({ dashboard }) => `${dashboard}.json` === name);
    expect(of.map(({ title, faults }) => [title, faults])).toEqual(panels.map(({ title }) => [title, []]));
  });
});

/** The values of all series, as Grafana would ask for them with everything chosen. */
async function seriesOf(prometheus: Prometheus, { expr, instant }: Target): Promise<number[]> {
  if (instant) return (await samplesOf(prometheus, expr)).map(({ value }) => Number(value[1]));
  const end = Date.now() / 1000;
  const query = filledIn(expr, end);
  const range = new URLSearchParams({ query, start: `${startedAt}`, end: `${end}`, step: '1' });
  const { result } = (await prometheus.api(`/api/v1/query_range?${range}`)) as {
    result: { values: Point[] }[];
  };
  return result.flatMap(({ values }) => values.map(([, value]) => Number(value)));
}

/** What was there at the glance. */
async function samplesOf(prometheus: Prometheus, expr: string) {
  const once = new URLSearchParams({ query: filledIn(expr, glanceAt), time: `${glanceAt}` });
  const { result } = (await prometheus.api(`/api/v1/query?${once}`)) as {
    result: { metric: Record<string, string>; value: Point }[];
  };
  return result;
}

function filledIn(expr: string, end: number): string {
  return expr
    .replaceAll('$__rate_interval', '5s')
    .replaceAll('$__interval', '1s')
    .replaceAll('$__range', `${Math.ceil(end - startedAt)}s`)
    .replace(/"\$(instance|router|model)"/g, '".+"');
}

type Point = [seconds: number, value: string];
