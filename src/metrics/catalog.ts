import { counter, gauge, histogram } from './family.ts';

/**
 * Every metric of ours: the published contract. docs/metrics.md is generated from this file. Names are
 * changed rarely, and every change is a line `old → new` in the changelog.
 */
const router = ['router'] as const;
const model = ['router', 'model'] as const;
const gpuPool = ['gpu', 'gpu_uuid', 'name', 'pool'] as const;

export const CATALOG = {
  up: gauge('llama_router_up', 'Whether the last listing of the router succeeded (1) or not (0).', router),
  info: gauge('llama_router_info', 'The router as it describes itself; always 1.', ['router', 'build']),
  routerLabels: gauge(
    'llama_router_labels',
    'The labels that the configuration or a discovery gives a router, as label_NAME; always 1.',
    router,
  ),
  discoveredRouters: gauge(
    'llama_router_discovered_routers',
    'How many routers of a group of discovery are followed.',
    ['group'],
  ),
  discoveryIgnored: gauge(
    'llama_router_discovery_ignored_routers',
    'Routers of a group that are not followed, as their name or address is that of another.',
    ['group'],
  ),
  discoverySuccess: gauge(
    'llama_router_discovery_success',
    'Whether the last look for a group found everything readable (1) or not (0): what was found before is followed.',
    ['group'],
  ),
  discoveryLastSuccess: gauge(
    'llama_router_discovery_last_success_timestamp_seconds',
    'When a look for a group last found everything readable.',
    ['group'],
  ),
  modelsMax: gauge(
    'llama_router_models_max',
    'How many models the router keeps in memory at once (--models-max); 0 is unlimited.',
    router,
  ),
  modelsAutoload: gauge(
    'llama_router_models_autoload',
    'Whether the router loads a model when a request names it (1) or not (0).',
    router,
  ),
  models: gauge('llama_router_models', 'How many models are in each status.', ['router', 'status']),
  malformedModels: gauge(
    'llama_router_malformed_models',
    'Entries of the last listing that could not be understood and were left out.',
    router,
  ),
  modelStatus: gauge(
    'llama_router_model_status',
    'The status of a model: 1 on the series of its status, 0 on the others.',
    ['router', 'model', 'status'],
  ),
  modelInfo: gauge('llama_router_model_info', 'What is known of a model; always 1.', [
    'router',
    'model',
    'source',
    'quantization',
  ]),
  modelParameters: gauge('llama_router_model_parameters', 'Number of parameters, known after a load.', model),
  modelSize: gauge(
    'llama_router_model_size_bytes',
    'Size of the weights in bytes, known after a load. Memory in use is more.',
    model,
  ),
  modelContext: gauge(
    'llama_router_model_context_tokens',
    'Context length in tokens: of the running process, else the one of its file.',
    model,
  ),
  modelLoadFailed: gauge(
    'llama_router_model_load_failed',
    'Whether the last load attempt failed (1). An unload that somebody asked for is no failure.',
    model,
  ),
  modelLoadProgress: gauge('llama_router_model_load_progress_ratio', 'Progress of a load, 0 to 1.', model),
  modelDownload: gauge(
    'llama_router_model_download_bytes',
    'Bytes downloaded so far, while downloading.',
    model,
  ),
  modelDownloadTotal: gauge(
    'llama_router_model_download_total_bytes',
    'Bytes to download altogether, while downloading.',
    model,
  ),
  modelStatusSince: gauge(
    'llama_router_model_status_since_timestamp_seconds',
    'When the model entered its status; absent when it was in it already at first sight.',
    model,
  ),
  modelLoads: counter('llama_router_model_loads_total', 'Loads that were completed.', model),
  modelLoadFailures: counter('llama_router_model_load_failures_total', 'Loads that failed.', model),
  modelUnloads: counter(
    'llama_router_model_unloads_total',
    'Unloads by reason: requested (by this exporter), external (by somebody else), evicted, crashed.',
    ['router', 'model', 'reason'],
  ),
  modelSleeps: counter('llama_router_model_sleeps_total', 'Times the model fell asleep when idle.', model),
  modelWakes: counter(
    'llama_router_model_wakes_total',
    'Times the model woke from sleep; a wake is not a load.',
    model,
  ),
  modelReloads: counter(
    'llama_router_model_reloads_after_unload_total',
    'Loads that came within the reload window after an unload, by the reason of that unload and by who asked, where reported.',
    ['router', 'model', 'unload_reason', 'cause'],
  ),
  usageReports: counter(
    'llama_router_usage_reports_total',
    'Requests that were reported before they went to a router, by cause; of tasks in the background by kind.',
    ['cause', 'task'],
  ),
  reloadAfterUnload: histogram(
    'llama_router_model_reload_after_unload_seconds',
    'Time from an unload to the completed reload, for reloads within the window.',
    router,
    [1, 5, 15, 30, 60, 120, 300, 600, 1800],
  ),
  modelLoadDuration: histogram(
    'llama_router_model_load_duration_seconds',
    'Time from the start of a load to its completion.',
    model,
    [0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600],
  ),
  events: counter('llama_router_events_total', 'Events received from the router, by name.', [
    'router',
    'event',
  ]),
  streamConnected: gauge(
    'llama_router_event_stream_connected',
    'Whether the event stream stands (1); 0 while polling instead.',
    router,
  ),
  streamReconnects: counter(
    'llama_router_event_stream_reconnects_total',
    'Attempts to connect a lost event stream again.',
    router,
  ),
  pollDuration: histogram(
    'llama_router_poll_duration_seconds',
    'Time to get a full listing from the router, failed attempts included.',
    router,
    [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5],
  ),
  pollErrors: counter('llama_router_poll_errors_total', 'Listings that failed, by fault.', [
    'router',
    'fault',
  ]),
  lastPoll: gauge(
    'llama_router_last_poll_timestamp_seconds',
    'When the last successful listing arrived.',
    router,
  ),
  holdActive: gauge(
    'llama_router_hold_active',
    'Whether the memory of the router is to be kept free now (1) or not (0).',
    router,
  ),
  holdUntil: gauge(
    'llama_router_hold_until_timestamp_seconds',
    'Until when the memory of the router is to be kept free; absent when it is not.',
    router,
  ),
  modelBusy: gauge(
    'llama_router_model_busy',
    'Whether the model is serving or has requests waiting (1); absent when unknown.',
    model,
  ),
  modelLastActivity: gauge(
    'llama_router_model_last_activity_timestamp_seconds',
    "When the model's own counters last moved, as far as it was seen, to the reading.",
    model,
  ),
  engineAge: gauge(
    'llama_router_model_engine_metrics_age_seconds',
    "Age of the last good reading of the model's own metrics.",
    model,
  ),
  engineSuccess: gauge(
    'llama_router_model_engine_metrics_success',
    "Whether the last reading of the model's own metrics succeeded (1) or not (0).",
    model,
  ),
  engineDropped: gauge(
    'llama_router_engine_metrics_dropped',
    "What is not passed on of the models' own metrics: families by type_conflict, name_collision; series by too_many.",
    ['reason'],
  ),
  unloadOperations: counter(
    'llama_router_unload_operations_total',
    'Unload operations that ended, by what set them off and what they came to; dry runs too.',
    ['trigger', 'outcome'],
  ),
  unloadRefusals: counter(
    'llama_router_unload_refusals_total',
    'Requests that were not granted: cooldown, reload_loop, in_progress, unauthorized, not_matched.',
    ['reason'],
  ),
  unloadDuration: histogram(
    'llama_router_unload_duration_seconds',
    'Time from the order to unload a model to its verified end.',
    router,
    [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 15, 30, 60],
  ),
  unloadFreed: counter(
    'llama_router_unload_freed_bytes_total',
    'Memory that became free by unload operations, where it is measured.',
    router,
  ),
  lastUnload: gauge(
    'llama_router_last_unload_timestamp_seconds',
    'When an operation of this exporter last unloaded a model.',
    router,
  ),
  holdEnforced: counter(
    'llama_router_hold_enforced_unloads_total',
    'Models that were loaded in spite of an enforced hold, were idle and were unloaded again.',
    router,
  ),
  unloadPaused: gauge(
    'llama_router_unload_paused',
    'Whether automatic unloads rest because what they unloaded came back again and again (1).',
    ['router', 'trigger'],
  ),
  auditSuccessful: gauge(
    'llama_router_audit_last_write_successful',
    'Whether the last write to the audit file succeeded (1); absent without a file, and before the first write.',
    [],
  ),
  gpuMemoryTotal: gauge(
    'llama_router_gpu_memory_total_bytes',
    "Memory of a GPU of this machine: its own (vram), what it may use of the machine's (gtt), or shared (host).",
    gpuPool,
  ),
  gpuMemoryUsed: gauge(
    'llama_router_gpu_memory_used_bytes',
    'Memory of a GPU of this machine that is in use, whoever uses it.',
    gpuPool,
  ),
  gpuMemoryUnowned: gauge(
    'llama_router_gpu_memory_unowned_bytes',
    "Memory of a GPU in use that no model of ours holds; absent when a model's share is not known.",
    gpuPool,
  ),
  modelGpuMemory: gauge(
    'llama_router_model_gpu_memory_used_bytes',
    "What the model's process holds on a GPU of this machine, in all pools.",
    ['router', 'model', 'gpu_uuid'],
  ),
  modelResidentMemory: gauge(
    'llama_router_model_resident_memory_bytes',
    "Resident memory of the model's process, mapped weights included; of routers on this machine.",
    model,
  ),
  modelCpu: counter(
    'llama_router_model_cpu_seconds_total',
    "CPU time of the model's processes, one after the other, while one is there.",
    model,
  ),
  collectorSuccess: gauge(
    'llama_router_collector_success',
    'Whether the last reading of this source succeeded (1); hardware that is not there is no failure.',
    ['collector'],
  ),
  collectorDuration: gauge(
    'llama_router_collector_duration_seconds',
    'How long the last reading of this source took.',
    ['collector'],
  ),
  buildInfo: gauge('llama_router_exporter_build_info', 'This exporter; always 1.', [
    'version',
    'nodeversion',
  ]),
  configReloadSuccessful: gauge(
    'llama_router_config_last_reload_successful',
    'Whether the last attempt to load the configuration succeeded (1); if not, the old one is in force.',
    [],
  ),
  configReloadSuccess: gauge(
    'llama_router_config_last_reload_success_timestamp_seconds',
    'When the configuration in force was loaded.',
    [],
  ),
};
