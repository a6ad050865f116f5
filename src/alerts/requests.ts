import { compareWhenBusy } from '../config/when-busy.ts';
import { oneLine } from '../lib/one-line.ts';
import { REASON_LENGTH } from '../unload/request.ts';
import type { AlertOptions } from './options.ts';
import type { Alert } from './payload.ts';

/** An unload with the alerts behind it. */
export type AlertDemand = AlertOptions & { routers: readonly string[]; alerts: readonly Alert[] };

/** The part of an unload request that alerts decide. */
export type AlertUnload = Omit<AlertDemand, 'alerts'> & { reason: string };

/**
 * Merges demands into as few unloads as possible, the least intrusive first. Demands that differ only in models, or
 * only in routers, are merged, as their union asks for nothing more. All others stay separate, so that the result does
 * not depend on how Alertmanager groups alerts.
 */
export function unloadsOf(demands: readonly AlertDemand[]): AlertUnload[] {
  return merge(merge(demands, 'models'), 'routers')
    .toSorted(byIntrusiveness)
    .map(({ alerts, ...unload }) => ({ ...unload, reason: reasonOf(alerts) }));
}

function merge(demands: readonly AlertDemand[], difference: 'models' | 'routers'): AlertDemand[] {
  const merged = new Map<string, AlertDemand>();
  for (const demand of demands) {
    const key = keyOf(demand, difference);
    const same = merged.get(key);
    merged.set(key, same === undefined ? demand : union(same, demand));
  }
  return [...merged.values()];
}

/** Equal for demands that may be merged. A target applies to each unload on its own, so the rest must be the same. */
function keyOf({ selection, whenBusy, holdMs, routers }: AlertDemand, difference?: 'models' | 'routers') {
  const { models, keep, idleForMs, gpus, target } = selection;
  const anyModels = difference === 'models' && target === undefined && models.length > 0;
  const anyRouters = difference === 'routers' && target === undefined;
  const subject = [anyRouters ? 'any' : routers, anyModels ? 'any' : models];
  return JSON.stringify([...subject, keep, idleForMs, gpus, target, whenBusy, holdMs]);
}

function union(one: AlertDemand, other: AlertDemand): AlertDemand {
  const sorted = (a: readonly string[], b: readonly string[]) => [...new Set([...a, ...b])].sort();
  return {
    ...one,
    selection: { ...one.selection, models: sorted(one.selection.models, other.selection.models) },
    routers: sorted(one.routers, other.routers),
    alerts: [...one.alerts, ...other.alerts],
  };
}

/** A gentle unload may leave nothing to do for an intrusive one. Ties are broken, so that the order is always the same. */
function byIntrusiveness(one: AlertDemand, other: AlertDemand): number {
  const [a, b] = [one.selection, other.selection];
  return (
    compareWhenBusy(one.whenBusy, other.whenBusy) ||
    Number(a.target === undefined) - Number(b.target === undefined) ||
    Number(a.models.length === 0) - Number(b.models.length === 0) ||
    Number(a.gpus === undefined) - Number(b.gpus === undefined) ||
    (b.idleForMs ?? 0) - (a.idleForMs ?? 0) ||
    b.keep.length - a.keep.length ||
    (one.holdMs ?? 0) - (other.holdMs ?? 0) ||
    (keyOf(one) < keyOf(other) ? -1 : 1)
  );
}

/** `GpuMemoryHigh: GPU memory is high (and 2 more)`, as short and clean as the API wants a reason. */
function reasonOf(alerts: readonly Alert[]): string {
  const [first = '', ...more] = [...new Set(alerts.map(titleOf))].sort();
  const suffix = more.length > 0 ? ` (and ${more.length} more)` : '';
  return `${oneLine(first, REASON_LENGTH - suffix.length)}${suffix}`;
}

function titleOf({ labels, annotations }: Alert): string {
  const parts = [labels.alertname ?? 'unnamed alert', annotations.summary ?? ''];
  return parts.filter((part) => part.trim() !== '').join(': ');
}
