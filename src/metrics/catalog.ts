import { counter, gauge, histogram } from './family.ts';

/** Every metric of the exporter. docs/metrics.md is generated from this file. Names and labels are a public interface. */
const router = ['router'] as const;
const model = ['router', 'model'] as const;
const gpuPool = ['gpu', 'gpu_uuid', 'name', 'pool'] as const;

export const CATALOG = {
  up: gauge('llama_router_up', 'Whether the last listing of the router succeeded (1) or not (0).', router),
  info: gauge('llama_router_info', 'Build of the router; always 1.', ['router', 'build']),
  routerLabels: gauge(
    'llama_router_labels',
    'Labels of a router from the configuration or its discovery group, as label_NAME; always 1.',
    router,
  ),
  discoveredRouters: gauge(
    'llama_router_discovered_routers',
    'Number of followed routers of a discovery group.',
    ['group'],
  ),
  discoveryIgnored: gauge(
    'llama_router_discovery_ignored_routers',
    'Number of discovered routers of a group that are not followed because their name or address is taken.',
    ['group'],
  ),
  discoverySuccess: gauge(
    'llama_router_discovery_success',
    'Whether the last discovery of a group succeeded (1) or not (0). After a failure the routers found before stay.',
    ['group'],
  ),
  discoveryLastSuccess: gauge(
    'llama_router_discovery_last_success_timestamp_seconds',
    'Time of the last successful discovery of a group in seconds since epoch.',
    ['group'],
  ),
  modelsMax: gauge(
    'llama_router_models_max',
    'Number of models that the router keeps in memory at once (--models-max); 0 means unlimited.',
    router,
  ),
  modelsAutoload: gauge(
    'llama_router_models_autoload',
    'Whether the router loads a model on the first request for it (1) or not (0).',
    router,
  ),
  models: gauge('llama_router_models', 'Number of models by status.', ['router', 'status']),
  malformedModels: gauge(
    'llama_router_malformed_models',
    'Number of malformed entries in the last listing, which were skipped.',
    router,
  ),
  modelStatus: gauge(
    'llama_router_model_status',
    'Status of a model: 1 for the current status, 0 for the others.',
    ['router', 'model', 'status'],
  ),
  modelInfo: gauge('llama_router_model_info', 'Source and quantization of a model; always 1.', [
    'router',
    'model',
    'source',
    'quantization',
  ]),
  modelParameters: gauge(
    'llama_router_model_parameters',
    'Number of parameters of a model, known after its first load.',
    model,
  ),
  modelSize: gauge(
    'llama_router_model_size_bytes',
    'Size of the weights in bytes, known after the first load. A loaded model uses more memory.',
    model,
  ),
  modelContext: gauge(
    'llama_router_model_context_tokens',
    'Context length in tokens: of the running process, otherwise of the model file.',
    model,
  ),
  modelLoadFailed: gauge(
    'llama_router_model_load_failed',
    'Whether the last load failed (1) or not (0). A requested unload is not a failure.',
    model,
  ),
  modelLoadProgress: gauge(
    'llama_router_model_load_progress_ratio',
    'Progress of the current load, from 0 to 1.',
    model,
  ),
  modelDownload: gauge(
    'llama_router_model_download_bytes',
    'Bytes downloaded so far by the current download.',
    model,
  ),
  modelDownloadTotal: gauge(
    'llama_router_model_download_total_bytes',
    'Total bytes of the current download.',
    model,
  ),
  modelStatusSince: gauge(
    'llama_router_model_status_since_timestamp_seconds',
    'Time of the last status change in seconds since epoch; absent until the first observed change.',
    model,
  ),
  modelLoads: counter('llama_router_model_loads_total', 'Number of completed loads.', model),
  modelLoadFailures: counter('llama_router_model_load_failures_total', 'Number of failed loads.', model),
  modelUnloads: counter(
    'llama_router_model_unloads_total',
    'Number of unloads by reason: requested (by this exporter), external (by another client), evicted, crashed.',
    ['router', 'model', 'reason'],
  ),
  modelSleeps: counter('llama_router_model_sleeps_total', 'Number of times the model fell asleep.', model),
  modelWakes: counter(
    'llama_router_model_wakes_total',
    'Number of times the model woke up. A wake is not a load.',
    model,
  ),
  modelReloads: counter(
    'llama_router_model_reloads_after_unload_total',
    'Number of loads within the reload window after an unload, by the reason of the unload and the reported cause of the load.',
    ['router', 'model', 'unload_reason', 'cause'],
  ),
  usageReports: counter(
    'llama_router_usage_reports_total',
    'Number of usage reports by cause, and by kind of background task.',
    ['cause', 'task'],
  ),
  reloadAfterUnload: histogram(
    'llama_router_model_reload_after_unload_seconds',
    'Time between an unload and the completed reload in seconds, for reloads within the reload window.',
    router,
    [1, 5, 15, 30, 60, 120, 300, 600, 1800],
  ),
  modelLoadDuration: histogram(
    'llama_router_model_load_duration_seconds',
    'Duration of completed loads in seconds.',
    model,
    [0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600],
  ),
  events: counter('llama_router_events_total', 'Number of events received from the router, by name.', [
    'router',
    'event',
  ]),
  streamConnected: gauge(
    'llama_router_event_stream_connected',
    'Whether the event stream is connected (1) or not (0); without it the router is polled.',
    router,
  ),
  streamReconnects: counter(
    'llama_router_event_stream_reconnects_total',
    'Number of attempts to reconnect the event stream.',
    router,
  ),
  pollDuration: histogram(
    'llama_router_poll_duration_seconds',
    'Duration of full listings in seconds, failed ones included.',
    router,
    [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5],
  ),
  pollErrors: counter('llama_router_poll_errors_total', 'Number of failed listings by kind of fault.', [
    'router',
    'fault',
  ]),
  lastPoll: gauge(
    'llama_router_last_poll_timestamp_seconds',
    'Time of the last successful listing in seconds since epoch.',
    router,
  ),
  holdActive: gauge(
    'llama_router_hold_active',
    'Whether the router is held (1) or not (0): its GPU memory is kept free.',
    router,
  ),
  holdUntil: gauge(
    'llama_router_hold_until_timestamp_seconds',
    'Time at which the hold of the router expires in seconds since epoch; absent without a hold.',
    router,
  ),
  modelBusy: gauge(
    'llama_router_model_busy',
    'Whether the model is processing or queueing requests (1) or not (0); absent if unknown.',
    model,
  ),
  modelLastActivity: gauge(
    'llama_router_model_last_activity_timestamp_seconds',
    "Time of the last observed change of the model's own counters in seconds since epoch.",
    model,
  ),
  engineAge: gauge(
    'llama_router_model_engine_metrics_age_seconds',
    "Age of the last successful reading of the model's own metrics in seconds.",
    model,
  ),
  engineSuccess: gauge(
    'llama_router_model_engine_metrics_success',
    "Whether the last reading of the model's own metrics succeeded (1) or not (0).",
    model,
  ),
  engineDropped: gauge(
    'llama_router_engine_metrics_dropped',
    "Number of families (type_conflict, name_collision) and series (too_many) of the models' own metrics that are not passed on.",
    ['reason'],
  ),
  unloadOperations: counter(
    'llama_router_unload_operations_total',
    'Number of finished unload operations by trigger and outcome, dry runs included.',
    ['trigger', 'outcome'],
  ),
  unloadRefusals: counter(
    'llama_router_unload_refusals_total',
    'Number of refused unload requests by reason: cooldown, reload_loop, in_progress, unauthorized, not_matched.',
    ['reason'],
  ),
  unloadDuration: histogram(
    'llama_router_unload_duration_seconds',
    'Time between the unload request for a model and its verified end in seconds.',
    router,
    [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 15, 30, 60],
  ),
  unloadFreed: counter(
    'llama_router_unload_freed_bytes_total',
    'Memory freed by unload operations in bytes, where memory is measured.',
    router,
  ),
  lastUnload: gauge(
    'llama_router_last_unload_timestamp_seconds',
    'Time of the last model unloaded by this exporter in seconds since epoch.',
    router,
  ),
  holdEnforced: counter(
    'llama_router_hold_enforced_unloads_total',
    'Number of models that were loaded during an enforced hold and unloaded again.',
    router,
  ),
  unloadPaused: gauge(
    'llama_router_unload_paused',
    'Whether loop protection pauses automatic unloads (1) or not (0).',
    ['router', 'trigger'],
  ),
  auditSuccessful: gauge(
    'llama_router_audit_last_write_successful',
    'Whether the last write to the audit file succeeded (1) or not (0); absent without a file and before the first write.',
    [],
  ),
  gpuMemoryTotal: gauge(
    'llama_router_gpu_memory_total_bytes',
    'Size of a memory pool of a local GPU in bytes: its own (vram), system memory it may use (gtt), or memory shared with the CPU (host).',
    gpuPool,
  ),
  gpuMemoryUsed: gauge(
    'llama_router_gpu_memory_used_bytes',
    'Used memory of a pool of a local GPU in bytes, by all processes.',
    gpuPool,
  ),
  gpuMemoryUnowned: gauge(
    'llama_router_gpu_memory_unowned_bytes',
    "Used memory of a pool in bytes that is not attributed to a known model; absent if a model's share is unknown.",
    gpuPool,
  ),
  modelGpuMemory: gauge(
    'llama_router_model_gpu_memory_used_bytes',
    "Memory that the model's process uses on a local GPU in bytes, all pools together.",
    ['router', 'model', 'gpu_uuid'],
  ),
  modelResidentMemory: gauge(
    'llama_router_model_resident_memory_bytes',
    "Resident memory of the model's process in bytes, mapped weights included; for routers on this machine.",
    model,
  ),
  modelCpu: counter(
    'llama_router_model_cpu_seconds_total',
    "CPU time of the model's processes in seconds, continued from one process to the next.",
    model,
  ),
  collectorSuccess: gauge(
    'llama_router_collector_success',
    'Whether the last reading of this source succeeded (1) or not (0). Missing hardware is not a failure.',
    ['collector'],
  ),
  collectorDuration: gauge(
    'llama_router_collector_duration_seconds',
    'Duration of the last reading of this source in seconds.',
    ['collector'],
  ),
  buildInfo: gauge('llama_router_exporter_build_info', 'Version of this exporter and of Node.js; always 1.', [
    'version',
    'nodeversion',
  ]),
  configReloadSuccessful: gauge(
    'llama_router_config_last_reload_successful',
    'Whether the last attempt to load the configuration succeeded (1) or not (0); after a failure the previous one stays active.',
    [],
  ),
  configReloadSuccess: gauge(
    'llama_router_config_last_reload_success_timestamp_seconds',
    'Time at which the active configuration was loaded in seconds since epoch.',
    [],
  ),
};
