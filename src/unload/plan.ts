import { formatDuration } from '../lib/duration.ts';
import { idleSince, type ModelState, matchesModel } from '../models/router-state.ts';
import type { Status } from '../models/status.ts';
import { type Candidate, chooseEnough } from './enough.ts';
import type { ModelResult } from './report.ts';
import type { Selection } from './request.ts';

/** What is known of the memory that a router's models share; what is not is absent. */
export interface MemoryReading {
  usedBytes: number;
  totalBytes: number;
  ofModel(model: string): number | undefined;
}

/** What is to be done on one router: models to unload, and what is said already of the others. */
export interface Plan {
  unload: string[];
  settled: ModelResult[];
  /** Patterns of the selection that no model matches. */
  unmatched: string[];
}

/** Decides for each model of a router. Pure: the belief is handed in, nothing is asked. */
export function planUnload(
  models: readonly ModelState[],
  selection: Selection,
  now: number,
  memory?: MemoryReading,
): Plan {
  const plan: Plan = { unload: [], settled: [], unmatched: [] };
  for (const model of models) {
    if (selection.models.length > 0 && !matchesModel(selection.models, model)) continue;
    const decision = decide(model, selection, now);
    if (decision === 'unload') plan.unload.push(model.id);
    else if (decision) plan.settled.push({ model: model.id, ...decision });
  }
  plan.unmatched = selection.models.filter(
    (pattern) => !models.some((model) => matchesModel([pattern], model)),
  );
  return selection.target ? onlyEnough(plan, models, selection.target, now, memory) : plan;
}

/** Why `until_ratio` cannot be aimed at; undefined when it can. */
export function unmeasurable({ target }: Selection, memory: MemoryReading | undefined): string | undefined {
  if (target === undefined || 'freeBytes' in target || memory) return undefined;
  return 'the GPU memory of this router is not measured, which until_ratio needs: use free_bytes, or run the exporter on its host';
}

type Decision = 'unload' | Pick<ModelResult, 'result' | 'detail'> | undefined;

const KEPT: Decision = { result: 'kept', detail: 'it is on the keep list' };

function decide(model: ModelState, selection: Selection, now: number): Decision {
  const named = selection.models.length > 0;
  switch (model.lifecycle.status satisfies Status) {
    case 'loaded':
    case 'sleeping':
    case 'loading': {
      if (matchesModel(selection.keep, model)) return KEPT;
      const active = tooActive(model, selection, now);
      return active === undefined ? 'unload' : { result: 'kept', detail: active };
    }
    case 'downloading':
      return named ? { result: 'kept', detail: 'it is downloading and holds no memory' } : undefined;
    case 'unloaded':
      return named ? { result: 'already_unloaded' } : undefined;
    case 'other':
      return named ? { result: 'failed', detail: 'the router does not tell its status' } : undefined;
  }
}

/** Why a model is not idle enough for this selection; undefined when it is. What nobody knows is not enough. */
export function tooActive(model: ModelState, { idleForMs }: Selection, now: number): string | undefined {
  if (idleForMs === undefined) return undefined;
  const since = idleSince(model);
  if (since === undefined) {
    return model.lifecycle.status === 'loading' || model.activity?.busy
      ? 'it is in use'
      : 'nobody knows for how long it has been idle';
  }
  if (now - since >= idleForMs) return undefined;
  return `it was active ${formatDuration(Math.max(0, Math.round((now - since) / 1000)))} ago`;
}

function onlyEnough(
  { unload, settled, unmatched }: Plan,
  models: readonly ModelState[],
  target: NonNullable<Selection['target']>,
  now: number,
  memory: MemoryReading | undefined,
): Plan {
  const candidates = models
    .filter(({ id }) => unload.includes(id))
    .map((model) => candidateOf(model, now, memory));
  const enough = chooseEnough(candidates, neededBytes(target, memory));
  const spared = unload.filter((id) => !enough.includes(id));
  const detail = 'enough memory becomes free without it';
  return {
    unload: enough,
    settled: [...settled, ...spared.map((model): ModelResult => ({ model, result: 'kept', detail }))],
    unmatched,
  };
}

function neededBytes(target: NonNullable<Selection['target']>, memory: MemoryReading | undefined): number {
  if ('freeBytes' in target) return target.freeBytes;
  return memory ? memory.usedBytes - target.untilRatio * memory.totalBytes : 0;
}

/** Without a measurement a model holds about its weights; a sleeper has given most of them back. */
function candidateOf(model: ModelState, now: number, memory: MemoryReading | undefined): Candidate {
  const { id, lifecycle, facts, loadSeconds } = model;
  const bytes = memory?.ofModel(id) ?? (lifecycle.status === 'sleeping' ? undefined : facts.sizeBytes);
  const since = idleSince(model);
  return {
    id,
    ...(bytes !== undefined && { bytes }),
    ...(since !== undefined && { idleMs: Math.max(0, now - since) }),
    ...(loadSeconds !== undefined && { loadSeconds }),
  };
}
