/** What a model can be, as the router says it; `other` is a status nobody knows yet, or none at all. */
export const STATUSES = ['downloading', 'unloaded', 'loading', 'loaded', 'sleeping', 'other'] as const;

export type Status = (typeof STATUSES)[number];

/** Why a model left memory. */
export const UNLOAD_REASONS = ['requested', 'external', 'evicted', 'crashed'] as const;

export type UnloadReason = (typeof UNLOAD_REASONS)[number];

/** Whether the model has a process on the router's host, as `--models-max` counts it. */
export function isRunning(status: Status | undefined): status is 'loading' | 'loaded' | 'sleeping' {
  return status === 'loading' || status === 'loaded' || status === 'sleeping';
}
