import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { dashboardFiles } from '../support/dashboard-files.ts';
import { type RunningExporter, startExporter } from '../support/exporter.ts';
import { at, type Manifest, one, render, renderedCases, valuesFile } from '../support/helm.ts';
import { type Prometheus, pairVersions, promtool, startPrometheus } from '../support/prometheus.ts';
import { type Rule, rulesFolder, yamlFiles } from '../support/rule-files.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';

const rendered = renderedCases();

let folder: string;
beforeAll(() => {
  folder = makeRunFolder('helm');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the rules', () => {
  const shipped = yamlFiles(rulesFolder).flatMap((file) => parse(readFileSync(file, 'utf8')).groups);
  const groupsOf = (objects: readonly Manifest[]) =>
    at(one(objects, 'PrometheusRule'), 'spec.groups') as { rules: Rule[] }[];

  it('are those of prometheus/rules, unevaluated', () => {
    expect(groupsOf(rendered.sidecar)).toEqual(shipped);
  });

  it('take thresholds, labels and the address of the runbook from the values, and nothing else', () => {
    const { prometheusRule, runbookUrl } = parse(readFileSync(valuesFile('everything'), 'utf8'));
    const { thresholds, alertLabels } = prometheusRule as { thresholds: object; alertLabels: object };
    const wanted = JSON.parse(JSON.stringify(shipped).replaceAll('docs/runbook.md', runbookUrl)) as {
      rules: Rule[];
    }[];
    const changed = wanted.map((group) => ({
      ...group,
      rules: group.rules.map((rule) => {
        const [, value] =
          Object.entries(thresholds).find(([name]) => rule.record?.endsWith(`:threshold:${name}`)) ?? [];
        if (rule.alert) return { ...rule, labels: { ...rule.labels, ...alertLabels } };
        return value === undefined ? rule : { ...rule, expr: `vector(${value})` };
      }),
    }));
    expect(groupsOf(rendered.everything)).toEqual(changed);
    expect(groupsOf(rendered.everything)).not.toEqual(shipped);
  });

  it.each(pairVersions)('are accepted by promtool (%s)', (version) => {
    const file = join(folder, `rules-${version}.yml`);
    writeFileSync(file, stringify({ groups: groupsOf(rendered.everything) }));
    const accepted = { code: 0, output: expect.stringContaining('SUCCESS') };
    expect(promtool(['check', 'rules', file], { version, folders: [folder] })).toEqual(accepted);
  });
});

describe('Prometheus Operator', () => {
  const endpoints = at(one(rendered.everything, 'ServiceMonitor'), 'spec.endpoints') as object[];

  it('uses the job name of the alerts, and labels each router with its host', () => {
    expect(endpoints[0]).toMatchObject({
      path: '/metrics',
      scheme: 'http',
      relabelings: [
        { targetLabel: 'job', replacement: 'llama-router-exporter' },
        { targetLabel: 'cluster', replacement: 'home' },
      ],
      metricRelabelings: [
        { sourceLabels: ['router'], regex: 'attic\\.example', targetLabel: 'host', replacement: 'attic' },
        { sourceLabels: ['router'], regex: 'gpu-box', targetLabel: 'host', replacement: 'node-1' },
        { regex: 'build', action: 'labeldrop' },
      ],
    });
  });

  it("scrapes the models' own metrics on their separate path", () => {
    expect(endpoints.map((endpoint) => at(endpoint, 'path'))).toEqual(['/metrics', '/metrics/models']);
  });

  it("uses the node as host when the exporter runs on the routers' node", () => {
    const host = { sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'host' };
    for (const name of ['sidecar', 'existing'] as const)
      expect(at(one(rendered[name], 'ServiceMonitor'), 'spec.endpoints.0.relabelings')).toContainEqual(host);
    expect(at(endpoints[0], 'relabelings')).not.toContainEqual(host);
  });
});

describe('a real Prometheus with the relabelings of the ServiceMonitor', () => {
  // No router listens there: the metrics of a router that is down are enough.
  const [near, far] = ['127.0.0.1:9', '127.0.0.1:19'];
  let exporter: RunningExporter;
  let prometheus: Prometheus;

  beforeAll(async () => {
    exporter = await startExporter([`http://${near}`, `http://${far}`]);
    const hosts = `serviceMonitor.routerHosts=${JSON.stringify({ [far]: 'attic' })}`;
    const objects = render(['--values', valuesFile('existing'), '--set-json', hosts]);
    const endpoint = at(one(objects, 'ServiceMonitor'), 'spec.endpoints.0');
    const config = {
      scrape_configs: [
        {
          job_name: 'as/the/operator/calls/it/0',
          scrape_interval: '1s',
          static_configs: [
            {
              targets: [new URL(exporter.url).host],
              labels: { __meta_kubernetes_pod_node_name: 'node-1', job: 'the-service' },
            },
          ],
          relabel_configs: asPrometheusWrites(at(endpoint, 'relabelings')),
          metric_relabel_configs: asPrometheusWrites(at(endpoint, 'metricRelabelings')),
        },
      ],
    };
    prometheus = await startPrometheus({ version: 'new', config: stringify(config) });
  });
  afterAll(async () => {
    await prometheus?.stop();
    await exporter?.stop();
  });

  it('sees the job name of the alerts, and the host of every router', async () => {
    const found = await until('the routers', async () => {
      const samples = await prometheus.query('llama_router_up');
      return samples.length === 2 && samples;
    });
    const told = found.map(({ metric: { job, host, router } }) => ({ job, host, router }));
    expect(told).toEqual(
      expect.arrayContaining([
        { job: 'llama-router-exporter', host: 'node-1', router: near },
        { job: 'llama-router-exporter', host: 'attic', router: far },
      ]),
    );
  });
});

/** The operator's `targetLabel` is Prometheus' `target_label`. */
function asPrometheusWrites(rules: unknown): unknown {
  const snake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const entries = (rule: object) => Object.entries(rule).map(([key, value]) => [snake(key), value]);
  return (rules as object[]).map((rule) => Object.fromEntries(entries(rule)));
}

it('the dashboards are those of grafana/dashboards, for the sidecar of Grafana', () => {
  const maps = rendered.sidecar.filter(({ metadata }) => metadata.labels?.grafana_dashboard === '1');
  const files = Object.fromEntries(
    maps.flatMap(({ data }) => Object.entries(data as Record<string, string>)),
  );
  const wanted = dashboardFiles().map(([name, dashboard]) => [`llama-router-${name}`, dashboard]);
  expect(Object.entries(files).map(([name, json]) => [name, JSON.parse(json)])).toEqual(wanted);
  // What a ConfigMap may hold.
  for (const json of Object.values(files)) expect(json.length).toBeLessThan(1024 * 1024);
});

describe('the NetworkPolicy', () => {
  const egress = (name: 'everything' | 'existing') =>
    at(one(rendered[name], 'NetworkPolicy'), 'spec.egress.1');

  it('lets the namespace of Prometheus and Alertmanager in', () => {
    expect(at(one(rendered.everything, 'NetworkPolicy'), 'spec.ingress.0.from')).toEqual([
      { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
    ]);
  });

  it('lets the exporter reach its routers, on the ports of their URLs or the named ports', () => {
    const ports = [8080, 443, 80].map((port) => ({ port, protocol: 'TCP' }));
    expect(egress('everything')).toEqual({
      ports,
      to: [{ podSelector: { matchLabels: { app: 'llama-server' } } }],
    });
    expect(egress('existing')).toEqual({ ports: [{ port: 9000, protocol: 'TCP' }] });
  });
});
