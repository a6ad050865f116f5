import { MappingType, type ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Status } from '../../src/models/feed.ts';
import type { UnloadReason } from '../../src/models/router-state.ts';

/** Grafana's palette adapts to the theme but has no grey; this one suits both themes. */
export const GREY = 'rgba(128, 128, 128, 0.35)';

/** Model statuses in lifecycle order, which `statusCode` uses as numbers, with their colours. */
export const STATUSES = [
  { status: 'downloading', color: 'light-blue' },
  { status: 'unloaded', color: GREY },
  { status: 'loading', color: 'yellow' },
  { status: 'loaded', color: 'green' },
  { status: 'sleeping', color: 'purple' },
  { status: 'unloading', color: 'orange' },
  { status: 'other', color: 'red' },
] as const satisfies { status: Status; color: string }[];

/** Unload reasons with their colours. */
export const REASONS = {
  requested: 'blue',
  external: 'purple',
  evicted: 'orange',
  expired: 'green',
  crashed: 'red',
  unknown: GREY,
} as const satisfies Record<UnloadReason, string>;

export interface Meaning {
  readonly text: string;
  readonly color: string;
}

/** Value mappings: text and colour instead of numbers. */
export function meanings(of: Readonly<Record<string, Meaning>>): ValueMapping {
  const options = Object.fromEntries(
    Object.entries(of).map(([value, meaning], index) => [value, { ...meaning, index }]),
  );
  return { type: MappingType.ValueToText, options };
}

/** One text and colour for all values from `from`. */
export function rangeFrom(from: number, meaning: Meaning): ValueMapping {
  return { type: MappingType.RangeToText, options: { from, to: null, result: { ...meaning, index: from } } };
}

export const STATUS_CODES = meanings(
  Object.fromEntries(STATUSES.map(({ status, color }, code) => [code, { text: status, color }])),
);
