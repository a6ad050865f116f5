import * as z from 'zod';
import { WHEN_BUSY } from '../config/when-busy.ts';
import { HOLD_STATES, type Hold } from '../hold/hold.ts';
import { HOLD_UNLOADS } from '../hold/hold-unloads.ts';
import type { Clock } from '../lib/clock.ts';
import { FAULT_KINDS, isRunning, STATUSES, type Status } from '../models/feed.ts';
import {
  BUILD_CLASSES,
  ENGINE_METRICS_STATES,
  type RouterState,
  STREAM_STATES,
  type Transition,
  UNLOAD_REASONS,
  unreadReason,
} from '../models/router-state.ts';

const time = z.iso.datetime().nullable();

/** A router as the API shows it. Times are ISO 8601; null is unknown. */
export const routerView = z
  .object({
    name: z.string(),
    url: z.string(),
    up: z
      .boolean()
      .nullable()
      .meta({ description: 'Whether the last listing succeeded; null before the first.' }),
    fault: z.object({ kind: z.enum(FAULT_KINDS), message: z.string() }).nullable(),
    event_stream: z.enum(STREAM_STATES),
    polling_seconds: z.number().nullable().meta({
      description:
        'Time between two listings of a router without an event stream while nothing happens on it; null with a stream.',
    }),
    engine_metrics: z.enum(ENGINE_METRICS_STATES).meta({
      description: 'Whether the models serve /metrics; without it, busy is unknown.',
    }),
    engine_read: z.enum(['auto', 'on', 'off']).meta({ description: 'engine.read of the configuration.' }),
    unread_models: z.number().meta({
      description:
        'Models in memory that are not read because a read would restart their idle timer: their busy is null.',
    }),
    activity: z.enum(['asked', 'reported']).meta({
      description:
        'Whether the exporter asks the models if they are busy, or the event stream reports their requests.',
    }),
    kind: z.string().meta({ description: 'Of the server: llama-server or llama-swap.' }),
    build: z.string().nullable(),
    build_class: z.enum(BUILD_CLASSES).meta({
      description:
        'What is known of the build: without an event stream, reads of metrics restart idle timers, or do not (reads_exempt).',
    }),
    models_max: z.number().nullable().meta({ description: '0 is unlimited.' }),
    models_autoload: z.boolean().nullable(),
    listed_at: time,
    malformed_models: z.array(z.string()).readonly(),
    models: z
      .record(z.enum(STATUSES), z.number())
      .meta({ description: 'The number of models in each status.' }),
  })
  .meta({ id: 'Router' });

export type RouterView = z.infer<typeof routerView>;

/** A model as the API shows it. */
export const modelView = z
  .object({
    router: z.string(),
    id: z.string(),
    aliases: z.array(z.string()).readonly(),
    status: z.enum(STATUSES),
    current: z
      .boolean()
      .meta({ description: 'False while the router is down: the status is then the last known one.' }),
    since: time.meta({ description: 'Null when the model already had this status at the first listing.' }),
    load_failed: z.boolean().meta({
      description:
        'The last load failed. While since is null, the router marked the model as failed before monitoring began: ' +
        'by a failed load, a crash, or an unload that killed its process.',
    }),
    load_progress: z.number().nullable(),
    load_seconds: z
      .number()
      .nullable()
      .meta({ description: 'Duration of the last load; null when it was not observed.' }),
    source: z.string().nullable(),
    quantization: z.string().nullable(),
    parameters: z.number().nullable(),
    size_bytes: z.number().nullable(),
    context_tokens: z.number().nullable(),
    busy: z.boolean().nullable().meta({ description: 'Null when unknown.' }),
    last_activity: time,
    last_unload: z
      .object({
        at: z.iso.datetime(),
        reason: z.enum(UNLOAD_REASONS),
        forced: z.boolean().meta({ description: 'It did not stop in time, and the router killed it.' }),
      })
      .nullable(),
  })
  .meta({ id: 'Model' });

export type ModelView = z.infer<typeof modelView>;

/** A hold as the API shows it. */
export const holdView = z
  .object({
    id: z.uuid(),
    routers: z.array(z.string()).readonly(),
    holder: z.string().meta({ description: 'Whom it is for.' }),
    by: z.string().meta({ description: 'The caller that placed it.' }),
    reason: z.string(),
    since: z.iso.datetime(),
    until: z.iso.datetime(),
    state: z.enum(HOLD_STATES).meta({
      description:
        'preparing: memory is being freed; active: it is free; failed: it could not be freed, and the gate is open again.',
    }),
    why: z.string().nullable().meta({ description: 'Why it failed.' }),
    need_bytes: z.number().nullable(),
    unload: z.enum(HOLD_UNLOADS),
    when_busy: z.enum(WHEN_BUSY),
    restore: z.boolean(),
    enforce: z.boolean().meta({
      description: 'Whether models loaded during the hold are unloaded when they are idle.',
    }),
    operation: z.uuid().nullable().meta({ description: 'The operation that unloads for it.' }),
  })
  .meta({ id: 'Hold' });

export type HoldView = z.infer<typeof holdView>;

export function viewHold(hold: Hold, clock: Clock): HoldView {
  const isoTime = timesOf(clock);
  const { id, routers, holder, by, reason, state, unload, restore, enforce } = hold;
  return {
    id,
    routers,
    holder,
    by: by.name,
    reason,
    since: isoTime(hold.since),
    until: isoTime(hold.until),
    state,
    why: hold.why ?? null,
    need_bytes: hold.needBytes ?? null,
    unload,
    when_busy: hold.whenBusy,
    restore,
    enforce,
    operation: hold.operation ?? null,
  };
}

export function viewRouter(router: RouterState, clock: Clock): RouterView {
  const { name, url, up, fault, stream, pollingMs, props, malformed, models } = router;
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<Status, number>;
  for (const { lifecycle } of models.values()) counts[lifecycle.status] += 1;
  const asks = up && router.traits.activity === 'asked';
  const unread = [...models.values()].filter(
    (model) => asks && isRunning(model.lifecycle.status) && unreadReason(router, model) === 'idle_timer',
  );
  return {
    name,
    url,
    up: up ?? null,
    fault: fault ?? null,
    event_stream: stream,
    polling_seconds: stream === 'unsupported' && pollingMs !== undefined ? pollingMs / 1000 : null,
    engine_metrics: router.engineMetrics,
    engine_read: router.readMode,
    unread_models: unread.length,
    activity: router.traits.activity,
    kind: router.traits.kind,
    build: props.build ?? null,
    build_class: router.buildClass,
    models_max: props.modelsMax ?? null,
    models_autoload: props.autoload ?? null,
    listed_at: router.listedAt === undefined ? null : timesOf(clock)(router.listedAt),
    malformed_models: malformed,
    models: counts,
  };
}

export function viewModels(router: RouterState, clock: Clock): ModelView[] {
  const isoTime = timesOf(clock);
  return [...router.models.values()].map(({ id, aliases, lifecycle, facts, activity, loadSeconds }) => ({
    router: router.name,
    id,
    aliases,
    status: lifecycle.status,
    current: router.up === true,
    since: lifecycle.since === undefined ? null : isoTime(lifecycle.since),
    load_failed: lifecycle.loadFailed,
    load_seconds: loadSeconds ?? null,
    load_progress: (lifecycle.status === 'loading' ? lifecycle.loading?.progress : undefined) ?? null,
    source: facts.source ?? null,
    quantization: facts.quantization ?? null,
    parameters: facts.parameters ?? null,
    size_bytes: facts.sizeBytes ?? null,
    context_tokens: facts.contextTokens ?? null,
    busy: activity?.busy ?? null,
    last_activity: activity?.lastAt === undefined ? null : isoTime(activity.lastAt),
    last_unload: lifecycle.lastUnload
      ? {
          at: isoTime(lifecycle.lastUnload.at),
          reason: lifecycle.lastUnload.reason,
          forced: lifecycle.lastUnload.forced === true,
        }
      : null,
  }));
}

/** A transition as one JSON object of the event stream. */
export function viewTransition(transition: Transition, clock: Clock): Record<string, unknown> {
  const { router, at, kind } = transition;
  const head = { at: timesOf(clock)(at), router };
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

/** Writes a monotonic instant as ISO 8601. */
export function timesOf(clock: Clock): (at: number) => string {
  return (at) => new Date(clock.wall(at)).toISOString();
}
