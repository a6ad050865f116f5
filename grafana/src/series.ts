import { counter, gauge } from '../../src/metrics/family.ts';

/**
 * What the dashboards read that is not in our catalogue: named here, once. The labels are those we ask for; `instance`
 * comes from Prometheus.
 */
const model = ['router', 'model'] as const;

/** llama.cpp's own, as the exporter passes them on. */
export const ENGINE = {
  promptTokens: counter('llamacpp:prompt_tokens_total', 'Prompt tokens processed.', model),
  generatedTokens: counter('llamacpp:tokens_predicted_total', 'Tokens generated.', model),
  generatingSeconds: counter('llamacpp:tokens_predicted_seconds_total', 'Time spent generating.', model),
  requestsProcessing: gauge('llamacpp:requests_processing', 'Requests being served.', model),
  requestsDeferred: gauge('llamacpp:requests_deferred', 'Requests that wait for a slot.', model),
};

/** Of the exporter's process, as prom-client names them. Every program has these: see `ofExporter`. */
export const PROCESS = {
  cpu: counter('process_cpu_seconds_total', 'CPU time.', []),
  startTime: gauge('process_start_time_seconds', 'When it started.', []),
  residentMemory: gauge('process_resident_memory_bytes', 'Resident memory.', []),
  heapUsed: gauge('nodejs_heap_size_used_bytes', 'Heap in use.', []),
};

/** What prometheus/rules record. */
export const RULES = {
  fullFrom: gauge('llama_router:threshold:gpu_memory_used_ratio', 'From where on a GPU counts as full.', []),
};

/** What Prometheus itself notes of each target, and of the alerts of prometheus/rules. */
export const PROMETHEUS = {
  scrapeDuration: gauge('scrape_duration_seconds', 'How long a scrape took.', []),
  alerts: gauge('ALERTS', 'Alerts that wait or fire.', [
    'alertname',
    'alertstate',
    'severity',
    'router',
    'model',
  ]),
};
