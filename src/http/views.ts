import type { Hold } from '../hold/hold.ts';
import type { ModelBelief, RouterBelief, Transition } from '../models/belief.ts';
import { STATUSES, type Status } from '../models/status.ts';

/** A router as the API shows it. Times are ISO 8601; null is not known. */
export interface RouterView {
  name: string;
  url: string;
  up: boolean | null;
  fault: { kind: string; message: string } | null;
  event_stream: string;
  /** Whether the models have metrics of their own; without them nobody can tell who is busy. */
  engine_metrics: string;
  build: string | null;
  models_max: number | null;
  models_autoload: boolean | null;
  listed_at: string | null;
  malformed_models: readonly string[];
  models: Record<Status, number>;
}

/** A model as the API shows it. `current` is false while its router is down: then this is what it last was. */
export interface ModelView {
  router: string;
  id: string;
  aliases: readonly string[];
  status: Status;
  current: boolean;
  since: string | null;
  load_failed: boolean;
  load_progress: number | null;
  source: string | null;
  quantization: string | null;
  parameters: number | null;
  size_bytes: number | null;
  context_tokens: number | null;
  /** Null: unknown. */
  busy: boolean | null;
  last_activity: string | null;
  last_unload: { at: string; reason: string } | null;
}

/** A hold as the API shows it. */
export interface HoldView {
  router: string;
  since: string;
  until: string;
  reason: string;
  by: string;
  enforce: boolean;
}

export function viewHold({ router, since, until, reason, by, enforce }: Hold): HoldView {
  return {
    router,
    since: new Date(since).toISOString(),
    until: new Date(until).toISOString(),
    reason,
    by,
    enforce,
  };
}

export function viewRouter(router: RouterBelief): RouterView {
  const { name, url, up, fault, stream, props, malformed, models } = router;
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<Status, number>;
  for (const { life } of models.values()) counts[life.status] += 1;
  return {
    name,
    url,
    up: up ?? null,
    fault: fault ?? null,
    event_stream: stream,
    engine_metrics: router.engineMetrics,
    build: props.build ?? null,
    models_max: props.modelsMax ?? null,
    models_autoload: props.autoload ?? null,
    listed_at: isoTime(router.listedAt),
    malformed_models: malformed,
    models: counts,
  };
}

export function viewModels(router: RouterBelief): ModelView[] {
  return [...router.models.values()].map((model) => viewModel(router, model));
}

function viewModel(router: RouterBelief, { id, aliases, life, facts, activity }: ModelBelief): ModelView {
  return {
    router: router.name,
    id,
    aliases,
    status: life.status,
    current: router.up === true,
    since: isoTime(life.since),
    load_failed: life.loadFailed,
    load_progress: (life.status === 'loading' ? life.loading?.progress : undefined) ?? null,
    source: facts.source ?? null,
    quantization: facts.quantization ?? null,
    parameters: facts.parameters ?? null,
    size_bytes: facts.sizeBytes ?? null,
    context_tokens: facts.contextTokens ?? null,
    busy: activity?.busy ?? null,
    last_activity: isoTime(activity?.lastAt),
    last_unload: life.lastUnload
      ? { at: new Date(life.lastUnload.at).toISOString(), reason: life.lastUnload.reason }
      : null,
  };
}

/** A transition as one JSON object of the event stream. */
export function viewTransition(transition: Transition): Record<string, unknown> {
  const { router, at, kind } = transition;
  const head = { at: new Date(at).toISOString(), router };
  switch (transition.kind) {
    case 'model': {
      const { kind: happened, ...details } = transition.change;
      return { ...head, model: transition.model, event: happened, ...snakeCase(details) };
    }
    case 'router':
      return {
        ...head,
        event: `router_${transition.change}`,
        ...('fault' in transition && { fault: transition.fault }),
      };
    case 'stream':
      return { ...head, event: 'stream', state: transition.state };
    case 'malformed':
      return { ...head, event: kind, entries: transition.entries };
  }
}

function snakeCase(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      typeof inner === 'object' && inner !== null ? snakeCase(inner) : inner,
    ]),
  );
}

function isoTime(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}
