import type { ListedModel, Listing, RouterEvent, Status } from '../../src/models/feed.ts';
import type { Change, Lifecycle, ModelState, Transition } from '../../src/models/router-state.ts';
import type { Store } from '../../src/models/store.ts';

/** The lifecycle of an unloaded model, with the given fields changed. */
export function aLife(lifecycle: Partial<Lifecycle> = {}): Lifecycle {
  const status = lifecycle.status ?? 'unloaded';
  return {
    status,
    ...(status !== 'other' && { known: status }),
    loadFailed: false,
    markedFailed: false,
    ...lifecycle,
  };
}

export function aModel({
  id = 'tiny',
  aliases = [],
  ...lifecycle
}: { id?: string; aliases?: string[] } & Partial<Lifecycle> = {}): ModelState {
  return { id, aliases, facts: {}, firstSeenAt: 0, lifecycle: aLife(lifecycle) };
}

/** A model as listed. */
export function listed(id: string, status: Status, more: Partial<ListedModel> = {}): ListedModel {
  return { id, aliases: [], status, failed: false, sleepIdleSeconds: 0, facts: {}, ...more };
}

export function aListing(...models: ListedModel[]): Listing {
  return { models, malformed: [] };
}

type StatusEvent = Extract<RouterEvent, { kind: 'status' }>;

/** A `status_change`, as the client understands it. */
export function turned(model: string, status: Status, more: Partial<StatusEvent> = {}): StatusEvent {
  return { name: 'status_change', kind: 'status', model, status, begins: false, ...more };
}

/** `model_status loading`: a process was started. */
export function begun(model: string): StatusEvent {
  return { name: 'model_status', kind: 'status', model, status: 'loading', begins: true };
}

/** `status_change unloaded`. */
export function ended(model: string, exitCode = 0): StatusEvent {
  return turned(model, 'unloaded', { exitCode });
}

/** Records the transitions of models in words, such as `tiny loaded in 3 s`, except changes of status alone. */
export function recordChanges(store: Store): string[] {
  const changes: string[] = [];
  store.onTransition((transition) => {
    const text = describeTransition(transition);
    if (text !== undefined) changes.push(text);
  });
  return changes;
}

function describeTransition(transition: Transition): string | undefined {
  if (transition.kind !== 'model' || transition.change.kind === 'status') return undefined;
  return `${transition.model} ${inWords(transition.change)}`;
}

export function inWords(change: Change): string {
  switch (change.kind) {
    case 'status':
      return `${change.from ?? 'nothing'} → ${change.to}`;
    case 'loaded': {
      const duration = change.durationSeconds === undefined ? '' : ` in ${change.durationSeconds} s`;
      const reload = change.reload
        ? `, ${change.reload.afterSeconds} s after it was ${change.reload.reason}`
        : '';
      return `loaded${duration}${reload}`;
    }
    case 'load_failed':
      return 'failed to load';
    case 'unloaded':
      return `${change.reason}${change.forced ? ' by force' : ''} while ${change.from}`;
    default:
      return change.kind;
  }
}
