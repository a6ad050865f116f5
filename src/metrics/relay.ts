import { CATALOG } from './catalog.ts';
import type { Family, Row, Samples } from './family.ts';

/** One model's own metrics, as they are passed on: `router` and `model` added to each row, once. */
export interface Relayed {
  router: string;
  model: string;
  samples: readonly Samples[];
  /** Rows that were left out because there were more than `maxRows`. */
  cut: number;
}

/** Why families or rows are not passed on, and how many now. */
export type Dropped = Record<'type_conflict' | 'name_collision' | 'too_many', number>;

/** Labels that a model's metrics have themselves under our names go on as Prometheus would name them. */
const OURS = new Set(['router', 'model']);

/** Takes a model's metrics for passing on: at most `maxRows` of them, names, help and types unchanged. */
export function relay(router: string, model: string, own: readonly Samples[], maxRows: number): Relayed {
  let left = maxRows;
  let cut = 0;
  const samples = own.map(({ family, rows }) => {
    // A family is passed on whole or not at all: half a histogram is a wrong one.
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
  return { router, model, samples, cut };
}

/**
 * Puts the metrics of several models together, family by family. Where models disagree about a family's type,
 * the type that most of them have is passed on and the others' rows are dropped; so is a family that has the
 * name of one of ours.
 */
export function mergeRelayed(all: readonly Relayed[]): { samples: Samples[]; dropped: Dropped } {
  const dropped: Dropped = { type_conflict: 0, name_collision: 0, too_many: 0 };
  const byName = new Map<string, Samples[]>();
  for (const { samples, cut } of all) {
    dropped.too_many += cut;
    for (const each of samples) {
      if (each.rows.length === 0) continue;
      if (isOurs(each.family.name)) dropped.name_collision += 1;
      else byName.set(each.family.name, [...(byName.get(each.family.name) ?? []), each]);
    }
  }
  const samples = [...byName.values()].map((claims) => {
    const type = commonest(claims.map(({ family }) => family.type));
    const agreeing = claims.filter(({ family }) => family.type === type);
    dropped.type_conflict += claims.length - agreeing.length;
    const [first] = agreeing;
    const rows: Row[] = agreeing.flatMap((claim) => claim.rows);
    return { family: first?.family as Family, rows };
  });
  return { samples, dropped };
}

const OUR_NAMES = new Set(Object.values(CATALOG).map(({ name }) => name));

function isOurs(name: string): boolean {
  return OUR_NAMES.has(name) || /^(llama_router_|process_|nodejs_)/.test(name);
}

function exported(labels: Row['labels']): Row['labels'] {
  if (!Object.keys(labels).some((name) => OURS.has(name))) return labels;
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [OURS.has(name) ? `exported_${name}` : name, value]),
  );
}

function commonest<T>(values: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}
