import { compareWhenBusy } from '../config/when-busy.ts';
import { oneLine } from '../lib/one-line.ts';
import { REASON_LENGTH, type UnloadRequest } from '../unload/request.ts';
import type { Wishes } from './alert-options.ts';
import type { Alert } from './payload.ts';

/** An unload that alerts ask for, within what the rules allow. */
export interface AlertUnload
  extends Pick<UnloadRequest, 'routers' | 'selection' | 'whenBusy' | 'holdMs' | 'reason'> {
  /** The alerts behind it, as Alertmanager calls them. */
  readonly fingerprints: readonly string[];
}

/** One alert's wishes, and the routers they are about. */
export interface Wanted extends Wishes {
  readonly alert: Alert;
  readonly routers: readonly string[];
}

interface Joined extends Wishes {
  readonly alerts: readonly Alert[];
  readonly routers: readonly string[];
}

/**
 * What alerts ask for as few requests, the gentlest first. Those with the same wishes are one; so are those that
 * differ only in models or only in routers, for both together ask for nothing that each alone does not. Different
 * wishes for the same router stay apart: what is done does not depend on how Alertmanager groups alerts, and each
 * keeps its own bounds.
 */
export function requestsOf(wanted: readonly Wanted[]): AlertUnload[] {
  const single = wanted.map(({ alert, ...rest }): Joined => ({ ...rest, alerts: [alert] }));
  const byRouters = join(single, ({ selection, ...wishes }) => {
    // All models and named ones are different wishes; so are targets, which hold for each request by itself.
    const models = selection.target === undefined && selection.models.length > 0 ? ['…'] : selection.models;
    return { ...wishes, selection: { ...selection, models } };
  });
  const byWishes = join(byRouters, ({ routers, ...wishes }) =>
    wishes.selection.target === undefined ? wishes : { ...wishes, routers },
  );
  return byWishes.toSorted(gentlestFirst).map(requestOf);
}

type Key = Partial<Omit<Joined, 'alerts'>>;

/** Makes one of all that have the same key. */
function join(parts: readonly Joined[], keyOf: (part: Omit<Joined, 'alerts'>) => Key): Joined[] {
  const joined = new Map<string, Joined>();
  for (const part of parts) {
    const { alerts: _, ...wanted } = part;
    const key = textOf(keyOf(wanted));
    const first = joined.get(key);
    joined.set(key, first === undefined ? part : both(first, part));
  }
  return [...joined.values()];
}

function both(one: Joined, other: Joined): Joined {
  const models = union(one.selection.models, other.selection.models);
  return {
    ...one,
    selection: { ...one.selection, models },
    routers: union(one.routers, other.routers),
    alerts: [...one.alerts, ...other.alerts],
  };
}

function union(one: readonly string[], other: readonly string[]): string[] {
  return [...new Set([...one, ...other])].sort();
}

/**
 * After a gentle unload a stronger one may find that there is nothing left to do. What is equally gentle has an order
 * too, for the same alerts must always ask for the same.
 */
function gentlestFirst(one: Joined, other: Joined): number {
  const byWhenBusy = compareWhenBusy(one.whenBusy, other.whenBusy);
  if (byWhenBusy !== 0) return byWhenBusy;
  const [a, b] = [harshness(one), harshness(other)];
  const index = a.findIndex((part, i) => part !== b[i]);
  if (index >= 0) return (a[index] ?? 0) - (b[index] ?? 0);
  const [{ alerts: _, ...wanted }, { alerts: __, ...otherwise }] = [one, other];
  return textOf(wanted) < textOf(otherwise) ? -1 : 1;
}

function harshness({ selection, holdMs }: Joined): number[] {
  return [
    selection.target === undefined ? 1 : 0,
    selection.models.length > 0 ? 0 : 1,
    -(selection.idleForMs ?? 0),
    -selection.keep.length,
    holdMs ?? 0,
  ];
}

function requestOf({ alerts, ...wanted }: Joined): AlertUnload {
  const fingerprints = alerts.flatMap(({ fingerprint }) => fingerprint ?? []);
  return { ...wanted, reason: reasonOf(alerts), fingerprints: [...new Set(fingerprints)].sort() };
}

/** `GpuMemoryHighWithIdleModels: GPU memory is high`, and how many more there are. */
function reasonOf(alerts: readonly Alert[]): string {
  const [first = '', ...more] = [...new Set(alerts.map(nameOf))].sort();
  const rest = more.length > 0 ? ` (and ${more.length} more)` : '';
  return `${oneLine(first, REASON_LENGTH - rest.length)}${rest}`;
}

function nameOf({ labels, annotations }: Alert): string {
  const parts = [labels.alertname ?? 'an alert without a name', annotations.summary ?? ''];
  return parts.filter((part) => part.trim() !== '').join(': ');
}

/** The same text for the same wishes, in whatever order their keys were written. */
function textOf(value: Key): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
