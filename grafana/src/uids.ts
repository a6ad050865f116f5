/** Part of URLs; must never change. */
export const UIDS = {
  overview: 'llama-router-overview',
  model: 'llama-router-model',
  memory: 'llama-router-memory',
  operations: 'llama-router-operations',
  exporter: 'llama-router-exporter',
} as const;
