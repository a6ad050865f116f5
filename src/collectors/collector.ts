import type { Samples } from '../metrics/family.ts';

/** Turns what is believed, or was read, into samples for one scrape. Never does I/O and never throws. */
export type Collector = () => readonly Samples[] | Promise<readonly Samples[]>;

/** Answers the same samples until `version` changes: unchanged samples cost a scrape nothing. */
export function whenChanged(version: () => unknown, collect: () => readonly Samples[]): Collector {
  let at: unknown;
  let samples: readonly Samples[] = [];
  return () => {
    if (version() !== at) {
      at = version();
      samples = collect();
    }
    return samples;
  };
}
