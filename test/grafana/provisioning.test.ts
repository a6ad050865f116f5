import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { parseDuration } from '../../src/lib/duration.ts';
import { allRules } from '../support/rule-files.ts';

const read = (path: string) =>
  parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')) as Record<string, unknown>;

it('has the scrape interval of the job', () => {
  const [datasource] = read('grafana/provisioning/datasources/prometheus.yml').datasources as {
    type: string;
    isDefault: boolean;
    jsonData: { timeInterval: string };
  }[];
  const jobs = read('prometheus/prometheus.yml').scrape_configs as {
    job_name: string;
    scrape_interval?: string;
  }[];
  const job = jobs.find(({ job_name }) => job_name === 'llama-router-exporter');
  expect(datasource).toMatchObject({ type: 'prometheus', isDefault: true });
  expect(datasource?.jsonData.timeInterval).toBe(job?.scrape_interval);
});

it('reads dashboards from the folder that docs/dashboards.md mounts', () => {
  const [provider] = read('grafana/provisioning/dashboards/llama-router.yml').providers as {
    type: string;
    options: { path: string };
  }[];
  expect(provider?.type).toBe('file');
  const page = readFileSync(new URL('../../docs/dashboards.md', import.meta.url), 'utf8');
  expect(page).toContain(`./grafana/dashboards:${provider?.options.path}:ro`);
});

describe('the Grafana-managed alert', () => {
  const { contactPoints, groups } = read('grafana/alerting/llama-router.yml') as {
    contactPoints: { name: string; receivers: { type: string; settings: Record<string, string> }[] }[];
    groups: { rules: GrafanaRule[] }[];
  };
  const [rule] = groups.flatMap(({ rules }) => rules);
  const [contactPoint] = contactPoints;

  it('is the alert of the rules for Prometheus, with its label and idle time', () => {
    const other = allRules().find(({ alert }) => alert === 'LlamaRouterMemoryHeldByIdleModels');
    const idle = allRules().find(({ record }) => record === 'llama_router:threshold:model_idle_seconds');
    const words = (text = '') => text.split(/\s+/).join(' ').trim();
    expect(words(rule?.data[0]?.model.expr)).toBe(words(other?.expr));
    expect(rule?.labels).toEqual(other?.labels);
    expect(`vector(${parseDuration(rule?.annotations.unload_idle_for ?? '')})`).toBe(idle?.expr);
  });

  it('is silent without data and goes to the webhook, past the notification policies', () => {
    const [datasource] = read('grafana/provisioning/datasources/prometheus.yml').datasources as {
      uid: string;
    }[];
    expect(rule).toMatchObject({
      noDataState: 'OK',
      notification_settings: { receiver: contactPoint?.name },
      condition: 'B',
      data: [
        { refId: 'A', datasourceUid: datasource?.uid, model: { instant: true } },
        { refId: 'B', datasourceUid: '__expr__', model: { type: 'threshold', expression: 'A' } },
      ],
    });
    expect(contactPoint?.receivers).toMatchObject([
      {
        type: 'webhook',
        settings: { url: expect.stringMatching(/:10180\/webhook\/grafana$/), httpMethod: 'POST' },
      },
    ]);
  });
});

interface GrafanaRule {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  data: { datasourceUid: string; model: { expr: string } }[];
}
