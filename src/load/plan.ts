import { isFull } from '../models/eviction.ts';
import { idleSince, type ModelState, modelNamed, type RouterState } from '../models/router-state.ts';
import type { ModelResult, Settled } from '../unload/report.ts';
import { hintOf } from './places.ts';

type Router = Readonly<RouterState>;

/** What a load of one model comes to, as far as the observed state tells. */
export type LoadDecision =
  | Settled
  /** A client's load is under way. */
  | { kind: 'under_way' }
  /** The router is full, and no model on it may go; or the model itself is still being unloaded. */
  | { kind: 'wait'; why: string }
  | { kind: 'load'; evicts?: LikelyEviction | undefined };

/** The model that the router most likely evicts; `isCertain`: how long each model has been idle is known. */
interface LikelyEviction {
  model: string;
  isCertain: boolean;
}

/** Decides for one model of a router. */
export function decideLoad(router: Router, name: string): LoadDecision {
  const model = modelNamed(router.models, name);
  if (model === undefined) {
    return { result: 'failed', detail: `no model has this name${hintOf(name, [router])}` };
  }
  switch (model.lifecycle.status) {
    case 'loaded':
      return { result: 'already_loaded' };
    case 'sleeping':
      return { result: 'already_loaded', detail: 'it is asleep: its next request wakes it' };
    case 'loading':
      return { kind: 'under_way' };
    case 'unloading':
      return { kind: 'wait', why: 'it is still being unloaded' };
    case 'downloading':
      return { result: 'failed', detail: 'it is still downloading' };
    case 'other':
      return { result: 'failed', detail: 'the server does not tell whether it is loaded' };
    case 'unloaded':
      return onFullRouter(router);
  }
}

/** What the operation would do with each model, one after the other, if nothing else happens meanwhile. */
export function rehearseLoads(router: Router, names: readonly string[], now: number): ModelResult[] {
  const models = new Map(router.models);
  return names.map((name) => {
    const decision = decideLoad({ ...router, models }, name);
    const model = modelNamed(models, name);
    if (model && 'kind' in decision && decision.kind === 'load') {
      const victim = models.get(decision.evicts?.model ?? '');
      if (victim) models.set(victim.id, withStatus(victim, 'unloaded', now));
      models.set(model.id, withStatus(model, 'loaded', now));
    }
    return { model: model?.id ?? name, ...rehearsed(decision) };
  });
}

/** `evicts tiny-b, the least recently used`. */
export function describeEviction({ model, isCertain }: LikelyEviction): string {
  if (isCertain) return `evicts ${model}, the least recently used`;
  return `evicts the least recently used model, which is probably ${model}`;
}

/** The models that the router may evict for another: only those that are in memory and not loading. */
export function evictable({ models }: Router): ModelState[] {
  return [...models.values()].filter(
    ({ lifecycle: { known } }) => known === 'loaded' || known === 'sleeping',
  );
}

/** Builds with the exempt reads never evict a busy model (since b10435 at the latest); older ones interrupt it. */
export function sparesBusyModels({ buildClass }: Router): boolean {
  return buildClass === 'reads_exempt';
}

function onFullRouter(router: Router): LoadDecision {
  if (!isFull(router)) return { kind: 'load' };
  const candidates = evictable(router);
  const idle = candidates.filter(({ activity }) => !activity?.busy);
  const full = `the router is full (--models-max ${router.props.modelsMax})`;
  const [busy] = candidates.filter(({ activity }) => activity?.busy);
  if (busy && !sparesBusyModels(router)) {
    return { kind: 'wait', why: `${full}, and may evict ${busy.id}, which is generating` };
  }
  const victim = idle.toSorted((a, b) => lastUse(a) - lastUse(b))[0];
  if (victim === undefined) return { kind: 'wait', why: `${full}, and every model on it is busy or loading` };
  const isCertain = idle.length === 1 || idle.every((model) => idleSince(model) !== undefined);
  return { kind: 'load', evicts: { model: victim.id, isCertain } };
}

function lastUse(model: ModelState): number {
  return idleSince(model) ?? model.lifecycle.since ?? model.firstSeenAt;
}

function rehearsed(decision: LoadDecision): Settled {
  if ('result' in decision) return decision;
  switch (decision.kind) {
    case 'under_way':
      return { result: 'already_loaded', detail: 'it is loading' };
    case 'wait':
      return { result: 'would_load', detail: `${decision.why}: the operation would wait` };
    case 'load':
      if (decision.evicts === undefined) return { result: 'would_load' };
      return { result: 'would_load', detail: describeEviction(decision.evicts) };
  }
}

function withStatus(model: ModelState, status: 'loaded' | 'unloaded', now: number): ModelState {
  const lifecycle = { ...model.lifecycle, status, known: status, since: now };
  return { ...model, lifecycle, activity: undefined };
}
