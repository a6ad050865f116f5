import type { RouterEvent, Status, StatusEvent } from '../../models/feed.ts';
import type { StreamedModel } from './schemas.ts';

const STATUSES: Readonly<Record<string, Status>> = {
  stopped: 'unloaded',
  starting: 'loading',
  ready: 'loaded',
  stopping: 'unloading',
};

export function statusOf(state: string): Status {
  return Object.hasOwn(STATUSES, state) ? (STATUSES[state] ?? 'other') : 'other';
}

/**
 * What happened between two lists of models. A list shows the state when it was sent, so a state between the two may be
 * missing: a model that is stopped and wanted again shows `stopping`, then `starting`. Ends come before starts: an
 * eviction may come in one message with the start that it made room for.
 */
export function changesBetween(
  before: readonly StreamedModel[],
  after: readonly StreamedModel[],
): RouterEvent[] {
  const earlier = new Map(before.map(({ id, state }) => [id, state]));
  const changes = after.flatMap(({ id, state }) => {
    const from = earlier.get(id);
    return from === undefined || from === state ? [] : changesOf(id, from, state);
  });
  const isSameList = before.length === after.length && after.every(({ id }) => earlier.has(id));
  return [
    ...changes.filter(({ status }) => status === 'unloaded'),
    ...changes.filter(({ status }) => status !== 'unloaded'),
    ...(isSameList ? [] : [{ name: 'modelStatus', kind: 'list_changed' } as const]),
  ];
}

/** One change, or two where the end of the process before it was not shown. */
function changesOf(model: string, from: string, to: string): StatusEvent[] {
  const event = { name: 'modelStatus', kind: 'status', model, begins: false } as const;
  const end: StatusEvent = { ...event, status: 'unloaded', ending: endingOf(from, to) };
  if (to === 'stopped') return [end];
  const change = { ...event, status: statusOf(to), begins: to === 'starting' };
  const hasEnded = from === 'stopping' || (from === 'ready' && to === 'starting');
  return hasEnded ? [end, change] : [change];
}

/** It stops a process by way of `stopping`: one that ends without that crashed, or failed to start. */
function endingOf(from: string, to: string): StatusEvent['ending'] {
  if (from === 'stopping') return 'clean';
  return to === 'stopped' && (from === 'starting' || from === 'ready') ? 'failed' : 'unseen';
}
