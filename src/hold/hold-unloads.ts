/** Which models are unloaded for a hold: none, as many as it needs, or all. */
export const HOLD_UNLOADS = ['none', 'enough', 'all'] as const;
