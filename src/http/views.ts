import type { Hold } from '../hold/hold.ts';
import type { Clock } from '../lib/clock.ts';
import {
  cardMemory,
  type GpuMemory,
  gpuBytes,
  type MemoryReading,
  type RouterProcessMemory,
} from '../memory/reading.ts';
import { isRunning, STATUSES, type Status } from '../models/feed.ts';
import { type RouterState, type Transition, unreadReason } from '../models/router-state.ts';
import type { HoldView, MemoryView, ModelView, RouterView } from './view-schemas.ts';

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

export function viewMemory(reading: MemoryReading | undefined, clock: Clock): MemoryView {
  const { gpus = [], others = [], cards = [], models = [], routers = [] } = reading ?? {};
  const { orphans = [], reports = [] } = reading ?? {};
  const held = ({ gpus: shares, residentBytes }: Omit<RouterProcessMemory, 'router'>) => ({
    resident_bytes: residentBytes ?? null,
    gpu_bytes: gpuBytes(shares, gpus) ?? null,
    gpus: shares.map(({ uuid, pool, bytes }) => ({ gpu_uuid: uuid, pool, bytes })),
  });
  return {
    measured_at: reading ? timesOf(clock)(reading.at) : null,
    gpus: cardMemory(gpus).map((card) => ({
      gpu: card.gpu,
      gpu_uuid: card.uuid,
      name: card.name,
      pci_address: card.pciAddress ?? null,
      integrated: card.integrated === true,
      ...amountsOf(card),
      pools: card.pools.map((each) => ({ pool: each.pool, ...amountsOf(each) })),
      other_processes: others
        .filter(({ uuid }) => uuid === card.uuid)
        .map(({ pid, name, bytes }) => ({ pid, name, bytes })),
    })),
    lost_gpus: cards.flatMap(({ gpu, uuid, name, lost }) =>
      lost === undefined ? [] : [{ gpu, gpu_uuid: uuid, name, reason: lost }],
    ),
    models: models.map(({ router, model, ...memory }) => ({ router, model, ...held(memory) })),
    routers: routers.map(({ router, ...memory }) => ({ router, ...held(memory) })),
    orphans: orphans.map(({ router, model, pid, ...memory }) => ({ router, model, pid, ...held(memory) })),
    sources: reports.map(({ collector, seconds, fault, warnings }) => {
      return { collector, duration_seconds: seconds, fault: fault ?? null, warnings: warnings ?? [] };
    }),
  };
}

/** What these shares hold of a GPU: of its own memory, or of both pools of an APU. */
export function bytesOn(
  { gpu_uuid, integrated }: MemoryView['gpus'][number],
  shares: MemoryView['models'][number]['gpus'],
): number {
  const own = shares.filter((share) => share.gpu_uuid === gpu_uuid && (integrated || share.pool !== 'gtt'));
  return own.reduce((sum, { bytes }) => sum + bytes, 0);
}

function amountsOf(of: Pick<GpuMemory, 'totalBytes' | 'usedBytes' | 'unownedBytes'>) {
  return {
    total_bytes: of.totalBytes ?? null,
    used_bytes: of.usedBytes ?? null,
    unattributed_bytes: of.unownedBytes ?? null,
  };
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
