import type { Family } from './exposition.ts';

/** Every metric of the exporter. docs/metrics.md is generated from this file. Names and labels are a public interface. */
const router = ['router'] as const;
const model = ['router', 'model'] as const;
const group = ['group'] as const;
const collector = ['collector'] as const;
const gpuPool = ['gpu', 'gpu_uuid', 'name', 'pool'] as const;

/** Upper bounds of the histograms, in their unit. */
const BUCKETS: Readonly<Record<string, readonly number[]>> = {
  model_load_duration_seconds: [0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600],
  model_reload_after_unload_seconds: [1, 5, 15, 30, 60, 120, 300, 600, 1800],
  poll_duration_seconds: [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5],
  hold_wait_seconds: [0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 900],
  unload_duration_seconds: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 15, 30, 60],
};

/** By name without the prefix `llama_router_`, in the order of the document. */
export const CATALOG = {
  ...families(router, {
    up: 'Whether the last listing of the router succeeded (1) or not (0).',
    labels: 'Labels of a router from the configuration or its discovery group, as label_NAME; always 1.',
    models_max: 'Number of models that the router keeps in memory at once (--models-max); 0 means unlimited.',
    models_autoload: 'Whether the router loads a model on the first request for it (1) or not (0).',
    malformed_models: 'Number of malformed entries in the last listing, which were skipped.',
  }),
  ...families(['router', 'kind', 'build'], { info: 'Kind and build of the server; always 1.' }),
  ...families(['router', 'status'], { models: 'Number of models by status.' }),
  ...families(group, {
    discovered_routers: 'Number of followed routers of a discovery group.',
    discovery_ignored_routers:
      'Number of discovered routers of a group that are not followed because their name or address is taken.',
    discovery_success:
      'Whether the last discovery of a group succeeded (1) or not (0). After a failure the routers found before stay.',
    discovery_last_success_timestamp_seconds:
      'Time of the last successful discovery of a group in seconds since epoch.',
  }),
  ...families([], {
    exporter_shard: 'Shard of the routers that this exporter follows, from 0; absent without sharding.',
    exporter_total_shards: 'Number of shards (follow.total_shards); absent without sharding.',
  }),
  ...families(['router', 'model', 'status'], {
    model_status: 'Status of a model: 1 for the current status, 0 for the others.',
  }),
  ...families(['router', 'model', 'source', 'quantization'], {
    model_info: 'Source and quantization of a model; always 1.',
  }),
  ...families(model, {
    model_parameters: 'Number of parameters of a model, known after its first load.',
    model_size_bytes:
      'Size of the weights in bytes, known after the first load. A loaded model uses more memory.',
    model_context_tokens: 'Context length in tokens: of the running process, otherwise of the model file.',
    model_load_failed: 'Whether the last load failed (1) or not (0). A requested unload is not a failure.',
    model_load_progress_ratio: 'Progress of the current load, from 0 to 1.',
    model_download_bytes: 'Bytes downloaded so far by the current download.',
    model_download_total_bytes: 'Total bytes of the current download.',
    model_status_since_timestamp_seconds:
      'Time of the last status change in seconds since epoch; absent until the first observed change.',
    model_loads_total: 'Number of completed loads.',
    model_load_failures_total: 'Number of failed loads.',
    model_load_duration_seconds: 'Duration of completed loads in seconds.',
    model_forced_stops_total:
      'Number of requested unloads and evictions in which the process did not stop in time and was killed.',
    model_sleeps_total: 'Number of times the model fell asleep.',
    model_wakes_total: 'Number of times the model woke up. A wake is not a load.',
  }),
  ...families(['router', 'model', 'reason'], {
    model_unloads_total:
      'Number of unloads by reason: requested (by this exporter), external (by another client), evicted, expired (idle for its time to live), crashed, unknown (not observed, see docs).',
  }),
  ...families(['router', 'model', 'unload_reason', 'cause'], {
    model_reloads_after_unload_total:
      'Number of loads within the reload window after an unload, by the reason of the unload and the reported cause of the load.',
  }),
  ...families(['cause', 'task'], {
    usage_reports_total: 'Number of usage reports by cause, and by kind of background task.',
  }),
  ...families(router, {
    model_reload_after_unload_seconds:
      'Time between an unload and the completed reload in seconds, for reloads within the reload window.',
    event_stream_connected:
      'Whether the event stream is connected (1) or not (0); without it the router is polled.',
    event_stream_reconnects_total: 'Number of attempts to reconnect the event stream.',
    poll_duration_seconds: 'Duration of full listings in seconds, failed ones included.',
    last_poll_timestamp_seconds: 'Time of the last successful listing in seconds since epoch.',
  }),
  ...families(['router', 'event'], { events_total: 'Number of events received from the router, by name.' }),
  ...families(['router', 'fault'], { poll_errors_total: 'Number of failed listings by kind of fault.' }),
  ...families(router, {
    hold_active: 'Whether the router is held (1) or not (0): its GPU memory is kept free.',
    hold_until_timestamp_seconds:
      'Time at which the last hold on the router expires in seconds since epoch; absent without a hold.',
    holds: 'Number of holds that stand on the router.',
  }),
  ...families(model, {
    model_busy: 'Whether the model is processing or queueing requests (1) or not (0); absent if unknown.',
    model_last_activity_timestamp_seconds:
      "Time of the last observed change of the model's own counters in seconds since epoch.",
    model_engine_metrics_age_seconds:
      "Age of the last successful reading of the model's own metrics in seconds.",
    model_engine_metrics_success:
      "Whether the last reading of the model's own metrics succeeded (1) or not (0).",
  }),
  ...families(['reason'], {
    engine_metrics_dropped:
      "Number of families (type_conflict, name_collision) and series (too_many) of the models' own metrics that are not passed on.",
  }),
  ...families(['trigger', 'outcome'], {
    unload_operations_total:
      'Number of finished unload operations by trigger and outcome, dry runs included.',
    load_operations_total: 'Number of finished load operations by trigger and outcome, dry runs included.',
  }),
  ...families(['reason'], {
    unload_refusals_total:
      'Number of refused unload requests by reason: cooldown, reload_loop, in_progress, unauthorized, and of the webhook not_matched, malformed, too_large, media_type, method, rate_limited.',
  }),
  ...families(router, {
    unload_duration_seconds: 'Time between the unload request for a model and its verified end in seconds.',
    unload_freed_bytes_total: 'Memory freed by unload operations in bytes, where memory is measured.',
    last_unload_timestamp_seconds: 'Time of the last model unloaded by this exporter in seconds since epoch.',
    hold_enforced_unloads_total:
      'Number of models that were loaded during an enforced hold and unloaded again.',
  }),
  ...families(['state'], {
    hold_wait_seconds:
      'Time between the request for a hold and its memory being free (active) or found not to become free (failed) in seconds.',
  }),
  ...families(['router', 'result'], {
    restored_models_total:
      'Number of models to be loaded again after the last hold on their router, by result: loaded, failed, skipped.',
  }),
  ...families(['router', 'trigger'], {
    unload_paused: 'Whether loop protection pauses automatic unloads (1) or not (0).',
  }),
  ...families([], {
    audit_last_write_successful:
      'Whether the last write to the audit file succeeded (1) or not (0); absent without a file and before the first write.',
    state_last_write_successful:
      'Whether the last write of the state file succeeded (1) or not (0); absent without a file and before the first write.',
    log_last_write_successful:
      'Whether the last log line was written (1) or not (0), as on a full disk; absent before the first line.',
  }),
  ...families(gpuPool, {
    gpu_memory_total_bytes:
      'Size of a memory pool of a local GPU in bytes: its own (vram), system memory it may use (gtt), or memory shared with the CPU (host).',
    gpu_memory_used_bytes: 'Used memory of a pool of a local GPU in bytes, by all processes.',
    gpu_memory_unowned_bytes:
      'Used memory of a pool in bytes that is not attributed to a router or its models; absent if a share of theirs is unknown.',
  }),
  ...families(['gpu', 'gpu_uuid', 'name'], {
    gpu_integrated:
      'Whether a local GPU has no memory of its own, so that models use all of its pools (1), or has (0).',
  }),
  ...families(['collector', 'gpu', 'gpu_uuid', 'name'], {
    gpu_lost:
      'Whether a GPU that was seen since the exporter started gives no values any more (1) or works (0).',
  }),
  ...families(['router', 'model', 'gpu_uuid'], {
    model_gpu_memory_used_bytes:
      "Memory that the model's process uses on a local GPU in bytes; of a GPU without memory of its own, in all pools.",
  }),
  ...families(model, {
    model_resident_memory_bytes:
      "Resident memory of the model's process in bytes, mapped weights included; for routers on this machine.",
    model_cpu_seconds_total:
      "CPU time of the model's processes in seconds, continued from one process to the next.",
  }),
  ...families(['router', 'gpu_uuid'], {
    process_gpu_memory_used_bytes: "Memory that the router's own process uses on a local GPU in bytes.",
  }),
  ...families(router, {
    process_resident_memory_bytes:
      "Resident memory of the router's own process in bytes; for routers on this machine.",
    orphan_processes:
      'Number of processes of models that are not below their router any more; with descendants, one. For routers on this machine.',
  }),
  ...families(collector, {
    collector_success:
      'Whether the last reading of this source succeeded (1) or not (0). Missing hardware is not a failure.',
    collector_duration_seconds: 'Duration of the last reading of this source in seconds.',
    collector_malformed_lines:
      'Number of lines in the last reading of this source that were not understood; absent for sources without lines.',
  }),
  ...families([], {
    scrape_max_series: 'Maximum number of series of a scrape (web.max_series).',
    scrape_dropped_series:
      'Number of series left out of this scrape because of the maximum. Those of routers and of the exporter stay.',
    scrape_dropped_models:
      'Number of models left out of this scrape because of the maximum; models that were never loaded first.',
  }),
  ...families(['version', 'nodeversion'], {
    exporter_build_info: 'Version of this exporter and of Node.js; always 1.',
  }),
  ...families([], {
    config_last_reload_successful:
      'Whether the last attempt to load the configuration succeeded (1) or not (0); after a failure the previous one stays active.',
    config_last_reload_success_timestamp_seconds:
      'Time at which the active configuration was loaded in seconds since epoch.',
  }),
};

/**
 * Families with the same labels: the text of `# HELP` by name without the prefix. A name with buckets is a histogram, one
 * that ends in `_total` a counter, every other a gauge.
 */
function families<const Label extends string, Name extends string>(
  labels: readonly Label[],
  helps: Record<Name, string>,
): Record<Name, Family<Label>> {
  const entries = Object.entries(helps).map(([name, help]) => {
    const buckets = BUCKETS[name];
    const type = buckets ? 'histogram' : name.endsWith('_total') ? 'counter' : 'gauge';
    return [name, { name: `llama_router_${name}`, type, help, labels, buckets }];
  });
  return Object.fromEntries(entries);
}
