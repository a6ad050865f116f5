import type { RouterEvent } from '../../models/feed.ts';
import type { RequestChange, StreamedModel, SwapMessage } from './schemas.ts';
import { changesBetween } from './status.ts';

/** The requests under way: the model of each, by the id of the request. */
type Requests = ReadonlyMap<string, string>;

/** What the event stream has shown so far. */
export interface StreamView {
  /** Undefined until the first list of models. */
  readonly models?: readonly StreamedModel[] | undefined;
  /** Undefined until the first list of requests. */
  readonly requests?: Requests | undefined;
  /** Requests of each model, under way or waiting for it to load; undefined until both are known. */
  readonly inFlight?: ReadonlyMap<string, number> | undefined;
}

/** The view after a message, and the events that the message means. Pure. */
export function receive(view: StreamView, message: SwapMessage): { view: StreamView; events: RouterEvent[] } {
  switch (message.kind) {
    case 'models': {
      const next = counted({ ...view, models: message.models });
      const changes = view.models ? changesBetween(view.models, message.models) : [];
      return { view: next, events: [...changes, ...workBetween(view, next, loadedIn(changes))] };
    }
    case 'requests': {
      const requests = nextRequests(view.requests, message.change);
      // Each request is announced again four times a second.
      if (requests === view.requests) return { view, events: [] };
      const next = counted({ ...view, requests });
      return { view: next, events: workBetween(view, next) };
    }
    case 'ignored':
      return { view, events: [] };
    case 'unknown':
      return { view, events: [{ name: 'other', kind: 'unknown' }] };
  }
}

/** The requests after a message: the same object where it changes nothing. */
function nextRequests(requests: Requests | undefined, change: RequestChange): Requests | undefined {
  if (change.operation === 'snapshot') return new Map(change.requests.map(({ id, model }) => [id, model]));
  if (requests === undefined) return undefined;
  const { id, model } = change.operation === 'remove' ? { id: change.id, model: undefined } : change.request;
  if (requests.get(id) === model) return requests;
  const next = new Map(requests);
  if (model === undefined) next.delete(id);
  else next.set(id, model);
  return next;
}

/** A request of no known model is one that a peer answers. */
function counted({ models, requests }: StreamView): StreamView {
  if (models === undefined || requests === undefined) return { models, requests };
  const ids = new Map(models.flatMap(({ id, aliases }) => aliases.map((alias) => [alias, id])));
  const inFlight = new Map(models.map(({ id }) => [id, 0]));
  for (const name of requests.values()) {
    const id = inFlight.has(name) ? name : ids.get(name);
    const count = inFlight.get(id ?? name);
    if (id !== undefined && count !== undefined) inFlight.set(id, count + 1);
  }
  return { models, requests, inFlight };
}

/**
 * Of each model whose number of requests changed, and of those in `loaded`: what was known of a model's work ended with its
 * last process. The first numbers are no change.
 */
function workBetween(
  { inFlight: before }: StreamView,
  { models = [], inFlight = new Map<string, number>() }: StreamView,
  loaded: ReadonlySet<string> = new Set(),
): RouterEvent[] {
  if (before === undefined) return [];
  return models.flatMap(({ id }) => {
    const count = inFlight.get(id);
    if (count === undefined) return [];
    if (count === (before.get(id) ?? 0) && !loaded.has(id)) return [];
    return [{ name: 'inflight', kind: 'work', model: id, inFlight: count }];
  });
}

function loadedIn(changes: readonly RouterEvent[]): Set<string> {
  return new Set(
    changes.flatMap((change) =>
      change.kind === 'status' && change.status === 'loaded' ? [change.model] : [],
    ),
  );
}
