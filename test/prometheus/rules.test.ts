import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { CATALOG } from '../../src/metrics/catalog.ts';
import type { Family } from '../../src/metrics/exposition.ts';
import { allRules, type Rule, ruleTestsFolder, seriesOf, yamlFiles } from '../support/rule-files.ts';

/** Series of Prometheus itself, of every process, and of GPU exporters. */
const OTHERS = [
  'up',
  'process_start_time_seconds',
  'DCGM_FI_DEV_FB_USED',
  'DCGM_FI_DEV_FB_FREE',
  'DCGM_FI_DEV_FB_RESERVED',
  'DCGM_FI_DEV_FB_TOTAL',
  'nvidia_smi_memory_used_bytes',
  'nvidia_smi_memory_total_bytes',
  'node_drm_card_info',
  'node_drm_memory_vram_used_bytes',
  'node_drm_memory_vram_size_bytes',
  'node_drm_memory_vis_vram_size_bytes',
  'node_drm_memory_gtt_used_bytes',
  'node_drm_memory_gtt_size_bytes',
  'gpu_used_vram',
  'amd_gpu_used_vram',
  'gpu_total_vram',
  'amd_gpu_total_vram',
  'hw_memory_usage_bytes',
  'hw_memory_size_bytes',
  'xpum_memory_used_bytes',
  'xpum_memory_ratio',
  'amd_gpu_memory_use_percent',
  'llamaswap_gpu_memory_used_bytes',
  'llamaswap_gpu_memory_total_bytes',
];

const rules = allRules();
const alerts = rules.filter((rule): rule is Rule & { alert: string } => rule.alert !== undefined);
const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
const published = new Set((Object.values(CATALOG) as Family[]).map(({ name }) => name));
const read = new Set(rules.flatMap(({ expr }) => seriesOf(expr)));
const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
const asked = [...runbook.matchAll(/\bllama_router[_:][\w:]+/g)].map(([name]) =>
  name.replace(/_(bucket|count|sum)$/, ''),
);

describe('the rules', () => {
  it('read only series that exist', () => {
    const known = new Set([...published, ...recorded, ...OTHERS]);
    expect([...read].filter((name) => !known.has(name))).toEqual([]);
    expect(OTHERS.filter((name) => !read.has(name))).toEqual([]);
  });

  it('use every threshold', () => {
    const compared = new Set(alerts.flatMap(({ expr }) => seriesOf(expr)));
    const thresholds = [...recorded].filter((name) => name.includes(':threshold:'));
    expect(thresholds.length).toBeGreaterThan(5);
    expect(thresholds.filter((name) => !compared.has(name))).toEqual([]);
  });
});

describe('the runbook', () => {
  it('has a heading for each alert in the same order', () => {
    const headings = [...runbook.matchAll(/^## (LlamaRouter\w+)$/gm)].map(([, name]) => name);
    expect(headings).toEqual(alerts.map(({ alert }) => alert));
  });

  it('uses only series that exist', () => {
    const known = new Set([...published, ...recorded]);
    expect(asked.filter((name) => !known.has(name))).toEqual([]);
  });
});

describe.each(alerts.map((rule): [string, Rule] => [rule.alert, rule]))('%s', (alert, rule) => {
  it('has a known severity and a runbook link', () => {
    expect(['critical', 'warning', 'info']).toContain(rule.labels?.severity);
    expect(rule.annotations?.runbook_url).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
  });

  it('has tests that it fires and that it does not', () => {
    const outcomes = expectationsOf(alert);
    expect(outcomes.filter((expected) => expected.length > 0).length).toBeGreaterThan(0);
    expect(outcomes.filter((expected) => expected.length === 0).length).toBeGreaterThan(0);
  });
});

interface RuleTest {
  readonly promql_expr_test?: readonly { readonly expr: string; readonly exp_samples: readonly unknown[] }[];
}

/** The expected samples of an alert in promtool's tests. */
function expectationsOf(alert: string): (readonly unknown[])[] {
  return yamlFiles(ruleTestsFolder)
    .flatMap((file) => (parse(readFileSync(file, 'utf8')) as { tests: RuleTest[] }).tests)
    .flatMap(({ promql_expr_test: tests = [] }) => tests)
    .filter(({ expr }) => expr.includes(`ALERTS{alertname="${alert}",alertstate="firing"}`))
    .map(({ exp_samples: samples }) => samples);
}
