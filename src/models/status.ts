/** The status of a model as the router reports it; `other` is an unknown status, or none. */
export const STATUSES = ['downloading', 'unloaded', 'loading', 'loaded', 'sleeping', 'other'] as const;

export type Status = (typeof STATUSES)[number];

/** Why a model left memory. */
export const UNLOAD_REASONS = ['requested', 'external', 'evicted', 'crashed'] as const;

export type UnloadReason = (typeof UNLOAD_REASONS)[number];

/** Whether a model in this status has a process, as `--models-max` counts it. */
export function isRunning(status: Status | undefined): status is 'loading' | 'loaded' | 'sleeping' {
  return status === 'loading' || status === 'loaded' || status === 'sleeping';
}
