import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { parse } from 'yaml';

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
