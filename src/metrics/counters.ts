import { z } from 'zod';
import type { StatePart } from '../state/keep-state.ts';
import type { Family, Row } from './family.ts';

/** A counter as it stands, to be saved. */
export const savedCounter = z.object({
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  value: z.number().nonnegative(),
});

export type CounterValue = z.infer<typeof savedCounter>;

/** Counters that survive a restart. */
interface CounterGroup {
  snapshot(): Promise<CounterValue[]>;
  restore(values: readonly CounterValue[]): void;
}

/** A family of any labels. */
interface AnyCounting {
  family: Family;
  add(labels: never, by?: number): void;
  rows(): Promise<Row[]>;
}

/** The counters among these families that have counted something. */
export async function snapshotOf(all: readonly AnyCounting[]): Promise<CounterValue[]> {
  const counters = all.filter(({ family }) => family.type === 'counter');
  const values = await Promise.all(
    counters.map(async ({ family, rows }) =>
      (await rows())
        .filter(({ value }) => value > 0)
        .map(({ labels, value }) => ({ name: family.name, labels, value })),
    ),
  );
  return values.flat();
}

/** Adds what was saved; names and labels that are not ours any more are left out. Tells of each that was added. */
export function restoreTo(
  all: readonly AnyCounting[],
  values: readonly CounterValue[],
  restored: (labels: CounterValue['labels']) => void = () => {},
): void {
  for (const { name, labels, value } of values) {
    const counter = all.find(({ family }) => family.name === name && family.type === 'counter');
    const wanted = counter?.family.labels ?? [];
    const fits = wanted.length === Object.keys(labels).length && wanted.every((label) => label in labels);
    if (!counter || !fits) continue;
    // The labels are the family's own, as just checked: the compiler cannot see it across the union.
    (counter.add as (labels: object, by: number) => void)(labels, value);
    restored(labels);
  }
}

/** The part of the state file that holds the counters of these groups. */
export function countersPart(groups: readonly CounterGroup[]): StatePart<CounterValue[]> {
  return {
    name: 'counters',
    schema: z.array(savedCounter),
    snapshot: async () => (await Promise.all(groups.map((group) => group.snapshot()))).flat(),
    restore(values) {
      for (const group of groups) group.restore(values);
    },
  };
}
