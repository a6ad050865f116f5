import type { Family } from '../../src/metrics/exposition.ts';

const declare =
  (type: Family['type']) =>
  <const Label extends string>(name: string, help: string, labels: readonly Label[]): Family<Label> => {
    return { name, type, help, labels };
  };
const counter = declare('counter');
const gauge = declare('gauge');

/** Series that are not in the exporter's catalogue, with the labels that the dashboards use. */
const model = ['router', 'model'] as const;

/** The models' own metrics. */
export const ENGINE = {
  promptTokens: counter('llamacpp:prompt_tokens_total', 'Prompt tokens processed.', model),
  generatedTokens: counter('llamacpp:tokens_predicted_total', 'Tokens generated.', model),
  generatingSeconds: counter('llamacpp:tokens_predicted_seconds_total', 'Time spent generating.', model),
  requestsProcessing: gauge('llamacpp:requests_processing', 'Requests being served.', model),
  requestsDeferred: gauge('llamacpp:requests_deferred', 'Requests waiting for a slot.', model),
};

/** Process metrics of prom-client. Every program has them: see `ofExporter`. */
export const PROCESS = {
  cpu: counter('process_cpu_seconds_total', 'CPU time.', []),
  startTime: gauge('process_start_time_seconds', 'Start time.', []),
  residentMemory: gauge('process_resident_memory_bytes', 'Resident memory.', []),
  heapUsed: gauge('nodejs_heap_size_used_bytes', 'Heap in use.', []),
};

/** Recorded by prometheus/rules. */
export const RULES = {
  fullFrom: gauge(
    'llama_router:threshold:gpu_memory_used_ratio',
    'Used fraction above which a GPU counts as full.',
    [],
  ),
};

/** Written by Prometheus itself. */
export const PROMETHEUS = {
  scrapeDuration: gauge('scrape_duration_seconds', 'Duration of a scrape.', []),
  alerts: gauge('ALERTS', 'Pending and firing alerts.', [
    'alertname',
    'alertstate',
    'severity',
    'router',
    'model',
  ]),
};
