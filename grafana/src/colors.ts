import { MappingType, type ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';

/** Names of Grafana's palette are drawn to suit the theme; grey is not among them, and this one suits both. */
export const GREY = 'rgba(128, 128, 128, 0.35)';

/** The statuses of a model in the order of its life, as `statusCode` numbers them, each with its colour everywhere. */
export const STATUSES = [
  { status: 'downloading', color: 'light-blue' },
  { status: 'unloaded', color: GREY },
  { status: 'loading', color: 'yellow' },
  { status: 'loaded', color: 'green' },
  { status: 'sleeping', color: 'purple' },
  { status: 'other', color: 'red' },
] as const;

/** Why a model went, each with its colour everywhere. */
export const REASONS = {
  requested: 'blue',
  external: 'purple',
  evicted: 'orange',
  crashed: 'red',
} as const;

export interface Meaning {
  readonly text: string;
  readonly color: string;
}

/** Words and colours instead of numbers. */
export function meanings(of: Readonly<Record<string, Meaning>>): ValueMapping {
  const options = Object.fromEntries(
    Object.entries(of).map(([value, meaning], index) => [value, { ...meaning, index }]),
  );
  return { type: MappingType.ValueToText, options };
}

export const STATUS_CODES = meanings(
  Object.fromEntries(STATUSES.map(({ status, color }, code) => [code, { text: status, color }])),
);
