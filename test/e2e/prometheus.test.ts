import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { checkMetrics, type Prometheus, pairVersions, startPrometheus } from '../support/prometheus.ts';
import { complete, type RealRouter, startRealRouter } from '../support/real-router.ts';
import { until } from '../support/until.ts';

/** Prometheus 2.42 has no such setting: it asks for OpenMetrics first, and so reads that. */
const JOBS = {
  old: [{ name: 'default', protocols: [] }],
  new: [
    { name: 'openmetrics', protocols: ['OpenMetricsText1.0.0'] },
    { name: 'text', protocols: ['PrometheusText0.0.4'] },
  ],
};

/** Nothing is read twice while the tests compare one scrape with another, and the only reading has time on a busy machine. */
const ONCE = {
  'memory.interval': '1h',
  'memory.timeout': '30s',
  'engine.interval': '1h',
  'engine.timeout': '30s',
  'follow.listing-interval': '1h',
};

let router: RealRouter;
let exporter: RunningExporter;

beforeAll(async () => {
  router = await startRealRouter({ models: ['tiny-a', 'tiny-b', 'a "quoted" näme'] });
  exporter = await startExporter([router.url], ONCE);
  await complete(router, 'tiny-a', { tokens: 3 });
  await exporter.untilValue('llama_router_model_loads_total', { model: 'tiny-a' }, 1);
  await exporter.untilValue('llama_router_model_engine_metrics_success', { model: 'tiny-a' }, 1);
  await exporter.untilValue('llama_router_collector_success', { collector: 'processes' }, 1);
});

afterAll(async () => {
  await exporter?.stop();
  await router?.stop();
});

it('passes promtool check metrics', async () => {
  const scrape = await exporter.scrape();
  expect(scrape).toContain('\nllamacpp:requests_processing{');
  // Names of llama.cpp contain a colon, which promtool rejects: the exporter does not change them.
  const ours = scrape.split('\n').filter((line) => !/^(# (HELP|TYPE) )?llamacpp:/.test(line));
  expect(checkMetrics(ours.join('\n'))).toEqual({ code: 0, output: '' });
});

it('answers overlapping scrapes identically', async () => {
  const ours = (text: string) =>
    text.split('\n').filter((line) => /^llama_router_(?!.*_age_seconds)/.test(line));
  const scrapes = await Promise.all(Array.from({ length: 20 }, () => exporter.scrape()));
  expect(ours(scrapes[0] ?? '').length).toBeGreaterThan(50);
  for (const scrape of scrapes) expect(ours(scrape)).toEqual(ours(scrapes[0] ?? ''));
});

describe.each(pairVersions)('a real Prometheus (%s)', (version) => {
  let prometheus: Prometheus;

  beforeAll(async () => {
    const jobs = JOBS[version].map(
      ({ name, protocols }) => `
  - job_name: ${name}
${protocols.length > 0 ? `    scrape_protocols: [${protocols.join(', ')}]` : ''}
    static_configs: [{ targets: ['${exporter.url.replace('http://', '')}'] }]`,
    );
    prometheus = await startPrometheus({
      version,
      config: `global: { scrape_interval: 1s }\nscrape_configs:${jobs.join('')}\n`,
    });
    await until('a scrape', async () => (await prometheus.query('up == 1')).length === jobs.length);
  });
  afterAll(() => prometheus?.stop());

  it('has the expected version', () => {
    expect(prometheus.version).toMatch(version === 'old' ? /^2\./ : /^3\./);
  });

  it('scrapes the exporter in every format', async () => {
    const targets = (await prometheus.api('/api/v1/targets')) as { activeTargets: { lastError: string }[] };
    expect(targets.activeTargets.map(({ lastError }) => lastError)).toEqual(JOBS[version].map(() => ''));
  });

  it.each(JOBS[version])('stores every series with its value ($name)', async ({ name }) => {
    const stored = await prometheus.query(`{__name__=~"llama_router_.+",job="${name}"}`);
    const scraped = (await exporter.scrape()).split('\n').filter((line) => line.startsWith('llama_router_'));
    expect(stored.length).toBe(scraped.length);
    const loads = await prometheus.query(`llama_router_model_loads_total{job="${name}"} > 0`);
    expect(loads.map(({ metric, value }) => [metric.model, value])).toEqual([['tiny-a', 1]]);
    const relayed = await prometheus.query(`llamacpp:tokens_predicted_total{job="${name}"}`);
    expect(relayed.map(({ metric }) => metric.model)).toEqual(['tiny-a']);
    const odd = await prometheus.query(`llama_router_model_status{job="${name}",model=~".*näme"} == 1`);
    expect(odd.map(({ metric }) => [metric.model, metric.status])).toEqual([['a "quoted" näme', 'unloaded']]);
  });

  it('stores the metric types', async () => {
    const types = (await prometheus.api('/api/v1/metadata')) as Record<string, { type: string }[]>;
    const typeOf = (metric: string) => types[metric]?.[0]?.type;
    // As the format names it: OpenMetrics has the family without `_total`.
    const loads = typeOf('llama_router_model_loads_total') ?? typeOf('llama_router_model_loads');
    expect(loads).toBe('counter');
    expect(typeOf('llama_router_model_load_duration_seconds')).toBe('histogram');
    expect(typeOf('llama_router_model_status')).toBe('gauge');
  });
});
