import * as z from 'zod';
import type { StatePart } from '../state/keep-state.ts';
import { type Family, MODELS_TOGETHER, newRow, type Row, type Samples } from './exposition.ts';

/** A counter as it is saved in the state file. */
const savedCounter = z.object({
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  value: z.number().nonnegative(),
});

export type CounterValue = z.infer<typeof savedCounter>;

type Labels<Label extends string = string> = Readonly<Record<Label, string>>;

/** A router, or a model of a router. */
interface Subject {
  router: string | undefined;
  model?: string | undefined;
}

export type MetricRegistry = ReturnType<typeof createMetricRegistry>;

/** The few series of one subject by family. A histogram's series has a row per bucket, sum and count. */
interface Entry extends Subject {
  key: string;
  group: EntryGroup;
  series: Map<Family, (readonly Row[])[]>;
}

/** Some entries of one router, and the samples of the shown ones until one of their series changes. */
interface EntryGroup {
  entries: Set<Entry>;
  unchanged: Map<Family, Samples>;
}

const HIDDEN_KEPT = 3000;

/**
 * Counters and histograms, and which of them are in the scrape.
 * Series belong to the router or model that their labels name; series without these labels are always shown. Hidden
 * entries are kept up to a limit, which grows with the number of entries shown at once: an outage of DNS may hide
 * all of them for a moment.
 */
export function createMetricRegistry(families: readonly Family[]) {
  const entries = new Map<string, Entry>();
  /** By router. */
  const groups = new Map<string | undefined, EntryGroup[]>();
  /** The oldest first. */
  const hidden = new Set<Entry>();
  let mostHidden = HIDDEN_KEPT;
  let collected: readonly Samples[] | undefined;

  return {
    add,
    create,
    /** The router or model is present: its series are in the scrape from now on. */
    show({ router, model }: Subject): void {
      const entry = entryOf(router, model);
      hidden.delete(entry);
      mostHidden = Math.max(mostHidden, entries.size - hidden.size);
      changed(entry);
    },
    /** It is gone, with all its models if it is a router. Its series are kept and continue when it comes back. */
    hide({ router, model }: Subject): void {
      const gone =
        model === undefined
          ? [...(groups.get(router) ?? [])].flatMap((group) => [...group.entries])
          : [entryOf(router, model)];
      for (const entry of gone) if (!hidden.has(entry)) hideEntry(entry);
    },
    /** All series of a family that belong to this router or model. */
    rows: (family: Family, { router, model }: Subject): readonly Row[] =>
      seriesOf(family, entries.get(keyOf(router, model))).flat(),
    /** The models that are present. */
    models: () =>
      [...entries.values()].flatMap((entry) => {
        const { router, model } = entry;
        const isShown = router !== undefined && model !== undefined && !hidden.has(entry);
        return isShown ? [{ router, model }] : [];
      }),
    /** The same objects until one of their series changes: their text is then not written again. */
    samples(): readonly Samples[] {
      collected ??= families.flatMap((family) =>
        [...groups.values()].flatMap((own) => own.map((group) => samplesOf(group, family))),
      );
      return collected;
    },
    /** All counters above zero, hidden ones included. */
    snapshot(): CounterValue[] {
      const counters = families.filter(({ type }) => type === 'counter');
      return counters.flatMap((family) =>
        [...entries.values()]
          .flatMap((entry) => seriesOf(family, entry).flat())
          .filter(({ value }) => value > 0)
          .map(({ labels, value }) => ({ name: family.name, labels, value })),
      );
    },
    /** Adds saved values. Unknown names and labels are ignored. */
    restore(values: readonly CounterValue[]): void {
      for (const { name, labels, value } of values) {
        const family = families.find((each) => each.name === name && each.type === 'counter');
        const isComplete = family?.labels.length === Object.keys(labels).length;
        if (family && isComplete && family.labels.every((label) => label in labels))
          add(family, labels, value);
      }
    },
  };

  /** Adds `by` to a counter, or observes `by` in a histogram. */
  function add<Label extends string>(family: Family<Label>, labels: Labels<Label>, by = 1): void {
    update(family, labels, by);
  }

  /** Creates the series of a counter or histogram at 0, so that `increase()` sees the first event. */
  function create<Label extends string>(family: Family<Label>, labels: Labels<Label>): void {
    update(family, labels);
  }

  function update(family: Family, labels: Labels, by?: number): void {
    const entry = entryOf(labels.router, labels.model);
    const { series } = entry;
    const own = series.get(family) ?? [];
    const known = own.findIndex(([row]) =>
      family.labels.every((label) => row?.labels[label] === labels[label]),
    );
    const rows = own[known];
    if (rows && by === undefined) return;
    own[rows ? known : own.length] =
      family.type === 'histogram'
        ? observed(family, labels, rows, by)
        : [newRow(labels, (rows?.[0]?.value ?? 0) + (by ?? 0))];
    series.set(family, own);
    changed(entry, family);
  }

  function changed({ group }: Entry, family?: Family): void {
    if (family) group.unchanged.delete(family);
    else group.unchanged.clear();
    collected = undefined;
  }

  /** A new entry is hidden until it is shown. */
  function entryOf(router: string | undefined, model: string | undefined): Entry {
    const key = keyOf(router, model);
    const known = entries.get(key);
    if (known) return known;
    const entry: Entry = { router, model, key, group: groupWithRoom(router), series: new Map() };
    entries.set(key, entry);
    entry.group.entries.add(entry);
    if (router !== undefined) hidden.add(entry);
    return entry;
  }

  function groupWithRoom(router: string | undefined): EntryGroup {
    const own = groups.get(router) ?? [];
    groups.set(router, own);
    const last = own.at(-1);
    if (last && last.entries.size < MODELS_TOGETHER) return last;
    const group: EntryGroup = { entries: new Set(), unchanged: new Map() };
    own.push(group);
    return group;
  }

  function forget(entry: Entry): void {
    const { key, router, group } = entry;
    entries.delete(key);
    group.entries.delete(entry);
    if (group.entries.size > 0) return;
    const others = (groups.get(router) ?? []).filter((each) => each !== group);
    if (others.length > 0) groups.set(router, others);
    else groups.delete(router);
  }

  /** What counted nothing is not kept: it starts at 0 again. */
  function hideEntry(entry: Entry): void {
    changed(entry);
    if ([...entry.series.values()].every((series) => series.flat().every(({ value }) => value === 0))) {
      forget(entry);
      return;
    }
    hidden.add(entry);
    const [oldest] = hidden;
    if (hidden.size <= mostHidden || oldest === undefined) return;
    hidden.delete(oldest);
    forget(oldest);
  }

  function samplesOf({ entries, unchanged }: EntryGroup, family: Family): Samples {
    const known = unchanged.get(family);
    if (known) return known;
    const shown = [...entries].filter((entry) => !hidden.has(entry));
    const samples = { family, rows: shown.flatMap((entry) => seriesOf(family, entry).flat()) };
    unchanged.set(family, samples);
    return samples;
  }
}

function seriesOf(family: Family, entry: Entry | undefined): readonly (readonly Row[])[] {
  return entry?.series.get(family) ?? [];
}

function keyOf(router: string | undefined, model: string | undefined): string {
  return JSON.stringify([router, model]);
}

/** Without a value, nothing is observed yet. Rows that stay as they were are the same objects. */
function observed(family: Family, labels: Labels, before: readonly Row[] = [], value?: number): Row[] {
  const bounds = [...(family.buckets ?? []), Number.POSITIVE_INFINITY];
  const steps = [
    ...bounds.map((bound) => ({
      suffix: '_bucket',
      labels: Object.assign({ le: bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound) }, labels),
      by: value !== undefined && value <= bound ? 1 : 0,
    })),
    { suffix: '_sum', labels, by: value ?? 0 },
    { suffix: '_count', labels, by: value === undefined ? 0 : 1 },
  ];
  return steps.map(({ suffix, labels, by }, i) => {
    const row = before[i];
    return row && by === 0 ? row : newRow(labels, (row?.value ?? 0) + by, suffix);
  });
}

export const COUNTERS = { name: 'counters', schema: z.array(savedCounter) };

/** The part of the state file that holds the counters of these registries. */
export function countersPart(
  registries: readonly Pick<MetricRegistry, 'snapshot' | 'restore'>[],
): StatePart<CounterValue[]> {
  return {
    ...COUNTERS,
    snapshot: () => registries.flatMap((registry) => registry.snapshot()),
    restore(values) {
      for (const registry of registries) registry.restore(values);
    },
  };
}
