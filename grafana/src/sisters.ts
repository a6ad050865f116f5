import type { Steps } from './panels.ts';

/** Parts of addresses: bookmarks and links hold on to them. */
export const UIDS = {
  overview: 'llama-router-overview',
  model: 'llama-router-model',
  memory: 'llama-router-memory',
  operations: 'llama-router-operations',
  exporter: 'llama-router-exporter',
} as const;

/** As the alerts have it (prometheus/rules/thresholds.yml): from 90 % a GPU counts as full. */
export const FULL: Steps = [
  [null, 'green'],
  [0.75, 'yellow'],
  [0.9, 'orange'],
];
