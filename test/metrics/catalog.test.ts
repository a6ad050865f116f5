import { describe, expect, it } from '@jest/globals';
import { CATALOG } from '../../src/metrics/catalog.ts';
import type { Family } from '../../src/metrics/family.ts';

const families: Family[] = Object.values(CATALOG);

/** The published contract: dashboards, alerts and other people's queries stand on every word of it. */
const CONTRACT: [name: string, type: string, labels: string][] = [
  ['up', 'gauge', 'router'],
  ['info', 'gauge', 'router build'],
  ['labels', 'gauge', 'router'],
  ['discovered_routers', 'gauge', 'group'],
  ['discovery_ignored_routers', 'gauge', 'group'],
  ['discovery_success', 'gauge', 'group'],
  ['discovery_last_success_timestamp_seconds', 'gauge', 'group'],
  ['models_max', 'gauge', 'router'],
  ['models_autoload', 'gauge', 'router'],
  ['models', 'gauge', 'router status'],
  ['malformed_models', 'gauge', 'router'],
  ['model_status', 'gauge', 'router model status'],
  ['model_info', 'gauge', 'router model source quantization'],
  ['model_parameters', 'gauge', 'router model'],
  ['model_size_bytes', 'gauge', 'router model'],
  ['model_context_tokens', 'gauge', 'router model'],
  ['model_load_failed', 'gauge', 'router model'],
  ['model_load_progress_ratio', 'gauge', 'router model'],
  ['model_download_bytes', 'gauge', 'router model'],
  ['model_download_total_bytes', 'gauge', 'router model'],
  ['model_status_since_timestamp_seconds', 'gauge', 'router model'],
  ['model_loads_total', 'counter', 'router model'],
  ['model_load_failures_total', 'counter', 'router model'],
  ['model_unloads_total', 'counter', 'router model reason'],
  ['model_sleeps_total', 'counter', 'router model'],
  ['model_wakes_total', 'counter', 'router model'],
  ['model_reloads_after_unload_total', 'counter', 'router model unload_reason cause'],
  ['usage_reports_total', 'counter', 'cause task'],
  ['model_reload_after_unload_seconds', 'histogram', 'router'],
  ['model_load_duration_seconds', 'histogram', 'router model'],
  ['events_total', 'counter', 'router event'],
  ['event_stream_connected', 'gauge', 'router'],
  ['event_stream_reconnects_total', 'counter', 'router'],
  ['poll_duration_seconds', 'histogram', 'router'],
  ['poll_errors_total', 'counter', 'router fault'],
  ['last_poll_timestamp_seconds', 'gauge', 'router'],
  ['hold_active', 'gauge', 'router'],
  ['hold_until_timestamp_seconds', 'gauge', 'router'],
  ['model_busy', 'gauge', 'router model'],
  ['model_last_activity_timestamp_seconds', 'gauge', 'router model'],
  ['model_engine_metrics_age_seconds', 'gauge', 'router model'],
  ['model_engine_metrics_success', 'gauge', 'router model'],
  ['engine_metrics_dropped', 'gauge', 'reason'],
  ['unload_operations_total', 'counter', 'trigger outcome'],
  ['unload_refusals_total', 'counter', 'reason'],
  ['unload_duration_seconds', 'histogram', 'router'],
  ['unload_freed_bytes_total', 'counter', 'router'],
  ['last_unload_timestamp_seconds', 'gauge', 'router'],
  ['hold_enforced_unloads_total', 'counter', 'router'],
  ['unload_paused', 'gauge', 'router trigger'],
  ['audit_last_write_successful', 'gauge', ''],
  ['gpu_memory_total_bytes', 'gauge', 'gpu gpu_uuid name pool'],
  ['gpu_memory_used_bytes', 'gauge', 'gpu gpu_uuid name pool'],
  ['gpu_memory_unowned_bytes', 'gauge', 'gpu gpu_uuid name pool'],
  ['model_gpu_memory_used_bytes', 'gauge', 'router model gpu_uuid'],
  ['model_resident_memory_bytes', 'gauge', 'router model'],
  ['model_cpu_seconds_total', 'counter', 'router model'],
  ['collector_success', 'gauge', 'collector'],
  ['collector_duration_seconds', 'gauge', 'collector'],
  ['exporter_build_info', 'gauge', 'version nodeversion'],
  ['config_last_reload_successful', 'gauge', ''],
  ['config_last_reload_success_timestamp_seconds', 'gauge', ''],
];

describe('the catalogue', () => {
  it.each(CONTRACT)('has %s, a %s of %s', (name, type, labels) => {
    const family = families.find((one) => one.name === `llama_router_${name}`);
    expect(family && [family.type, family.labels.join(' ')]).toEqual([type, labels]);
  });

  it('has nothing else', () => {
    const agreed = new Set(CONTRACT.map(([name]) => `llama_router_${name}`));
    expect(families.map(({ name }) => name).filter((name) => !agreed.has(name))).toEqual([]);
  });

  it('declares each name once', () => {
    expect(new Set(families.map(({ name }) => name)).size).toBe(families.length);
  });
});

describe.each(families.map((family): [string, Family] => [family.name, family]))('%s', (name, family) => {
  it('is named as Prometheus wants it', () => {
    expect(name).toMatch(/^llama_router_[a-z][a-z0-9_]*[a-z0-9]$/);
    expect(name.endsWith('_total')).toBe(family.type === 'counter');
    // Reserved for the parts of histograms and summaries.
    expect(name).not.toMatch(/_(bucket|count|sum|created)$/);
    if (family.type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/);
  });

  it('says in a sentence what it is', () => {
    expect(family.help).toMatch(/^[A-Z].{15,}[^.\s]\.$/s);
    expect(family.help).not.toContain('\n');
  });

  it('has labels that are legal, in their order, and in nobody’s way', () => {
    for (const label of family.labels) expect(label).toMatch(/^[a-z][a-z_]*$/);
    expect(new Set(family.labels).size).toBe(family.labels.length);
    const avoided = ['type', 'service', 'cluster', 'env', 'job', 'instance', 'le', 'quantile', 'path'];
    for (const label of family.labels) expect(avoided).not.toContain(label);
    if (family.labels.includes('model')) expect(family.labels.slice(0, 2)).toEqual(['router', 'model']);
  });

  it('has buckets that rise, if it is a histogram', () => {
    const { buckets = [] } = family;
    expect(buckets.length > 0).toBe(family.type === 'histogram');
    expect([...new Set(buckets)].sort((a, b) => a - b)).toEqual([...buckets]);
  });
});
