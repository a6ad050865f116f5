import { groupBy } from '../lib/group-by.ts';
import type { Row, Samples } from './exposition.ts';

/** One model's own metrics, ready to be passed on: `router` and `model` are added to each row. */
export interface Relayed {
  samples: readonly Samples[];
  /** Rows beyond `maxRows`, which are dropped. */
  cut: number;
}

/** Number of families (`type_conflict`, `name_collision`) and rows (`too_many`) that are not passed on. */
export type Dropped = Record<'type_conflict' | 'name_collision' | 'too_many', number>;

/** A model's own label of this name gets the prefix `exported_`, as Prometheus does it. */
const ADDED = new Set(['router', 'model']);

/** Adds the labels; names, help and types stay. Drops whole families once there are more than `maxRows` rows. */
export function relay(router: string, model: string, own: readonly Samples[], maxRows: number): Relayed {
  let left = maxRows;
  let cut = 0;
  const samples = own.map(({ family, rows }) => {
    // Never a part of a family: half a histogram is wrong.
    if (rows.length > left) {
      cut += rows.length;
      return { family, rows: [] };
    }
    left -= rows.length;
    return {
      family,
      rows: rows.map((row) => ({ ...row, labels: { router, model, ...exported(row.labels) } })),
    };
  });
  return { samples, cut };
}

/**
 * Merges the metrics of several models by family. If models disagree about the type of a family, the most common
 * type wins and the other models' rows are dropped. A family with the name of an exporter metric is dropped too.
 */
export function mergeRelayed(all: readonly Relayed[]): { samples: Samples[]; dropped: Dropped } {
  const read = all.flatMap(({ samples }) => samples.filter(({ rows }) => rows.length > 0));
  const claims = read.filter(({ family }) => !isReserved(family.name));
  const samples = [...groupBy(claims, ({ family }) => family.name).values()].flatMap((same) => {
    const type = commonest(same.map(({ family }) => family.type));
    return same.filter(({ family }) => family.type === type);
  });
  const dropped = {
    type_conflict: claims.length - samples.length,
    name_collision: read.length - claims.length,
    too_many: all.reduce((sum, { cut }) => sum + cut, 0),
  };
  return { samples, dropped };
}

/** Whether a family is one of the exporter: all names of the catalogue begin with `llama_router_`. */
export function isReserved(name: string): boolean {
  return /^(llama_router_|process_|nodejs_)/.test(name);
}

function exported(labels: Row['labels']): Row['labels'] {
  if (!Object.keys(labels).some((name) => ADDED.has(name))) return labels;
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [ADDED.has(name) ? `exported_${name}` : name, value]),
  );
}

function commonest<T>(values: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}
