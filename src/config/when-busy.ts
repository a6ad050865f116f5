/** What an unload does with a model that is generating or loading, from the weakest to the strongest. */
export const WHEN_BUSY = ['skip', 'wait', 'force'] as const;

export type WhenBusy = (typeof WHEN_BUSY)[number];

/** Negative when `one` is weaker than `other`, positive when it is stronger, 0 when they are the same. */
export function compareWhenBusy(one: WhenBusy, other: WhenBusy): number {
  return WHEN_BUSY.indexOf(one) - WHEN_BUSY.indexOf(other);
}

export function parseWhenBusy(text: string): WhenBusy | undefined {
  return WHEN_BUSY.find((word) => word === text.trim());
}
