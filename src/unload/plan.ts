import { formatDuration } from '../lib/duration.ts';
import type { RouterMemory } from '../memory/router-memory.ts';
import { isRunning, type Status } from '../models/feed.ts';
import { idleSince, type ModelState, matchesModel, type RouterState } from '../models/router-state.ts';
import { enoughFor } from './enough.ts';
import { type ModelResult, NO_STATUSES, type RouterResult } from './report.ts';
import type { Selection, Target } from './request.ts';

/** What an operation does on one router. */
export interface Plan {
  unload: string[];
  /** Results that are known without doing anything. */
  settled: ModelResult[];
}

/** Decides for each model of a router. `now` and times in the models: monotonic milliseconds. */
export function planUnload(
  models: readonly ModelState[],
  selection: Selection,
  now: number,
  memory?: RouterMemory,
): Plan {
  const unload: ModelState[] = [];
  const settled: ModelResult[] = [];
  for (const model of models) {
    if (selection.models.length > 0 && !matchesModel(selection.models, model)) continue;
    const decision = decide(model, selection, now, memory);
    if (decision === 'unload') unload.push(model);
    else if (decision) settled.push({ model: model.id, ...decision });
  }
  if (selection.target === undefined) return { unload: unload.map(({ id }) => id), settled };
  const enough = enoughFor(selection.target, unload, now, memory);
  const spared = unload.filter(({ id }) => !enough.includes(id));
  const detail = isTooMuch(selection.target, memory, enough)
    ? 'its memory would not be enough'
    : 'enough memory is freed without it';
  return {
    unload: enough,
    settled: [...settled, ...spared.map(({ id }): ModelResult => ({ model: id, result: 'kept', detail }))],
  };
}

/** Whether no GPU would have so much free, whichever models were unloaded. */
function isTooMuch(target: Target, memory: RouterMemory | undefined, enough: readonly string[]): boolean {
  if (!('freeOnOneGpu' in target) || enough.length > 0) return false;
  return !memory?.gpus().some(({ freeBytes }) => freeBytes >= target.freeOnOneGpu);
}

/** Why nothing can be unloaded or loaded on a router: it is down, or lists models and the status of none. */
export function faultOf(
  { url, up, fault, models, traits }: Pick<RouterState, 'url' | 'up' | 'fault' | 'models' | 'traits'>,
  what: 'unloaded' | 'loaded',
): NonNullable<RouterResult['fault']> | undefined {
  if (!up) return fault ?? { kind: 'timeout', message: `${url} has not answered yet` };
  const statuses = [...models.values()].map(({ lifecycle }) => lifecycle.status);
  if (statuses.length === 0 || statuses.some((status) => status !== 'other')) return undefined;
  const message = `${url} lists models without telling which are loaded, so none can be ${what}: ${traits.remedies.noStatuses}`;
  return { kind: NO_STATUSES, message };
}

type Decision = 'unload' | Pick<ModelResult, 'result' | 'detail'> | undefined;

function decide(
  model: ModelState,
  selection: Selection,
  now: number,
  memory: RouterMemory | undefined,
): Decision {
  const named = selection.models.length > 0;
  const status: Status = model.lifecycle.status;
  if (status === 'downloading') {
    return named ? { result: 'kept', detail: 'it is downloading and holds no memory' } : undefined;
  }
  if (status === 'unloaded') return named ? { result: 'already_unloaded' } : undefined;
  if (matchesModel(selection.keep, model)) return { result: 'kept', detail: 'it is on the keep list' };
  const elsewhere = notOnGpus(model.id, selection, memory);
  if (elsewhere !== undefined) return { result: 'kept', detail: elsewhere };
  const active = tooActive(model, selection, now);
  if (active !== undefined) return { result: 'kept', detail: active };
  if (isRunning(status)) return 'unload';
  // It may hold memory. Where an amount is to be freed, other models may be enough.
  const isWanted = named || selection.target === undefined;
  return isWanted ? { result: 'failed', detail: 'the server does not tell whether it is loaded' } : undefined;
}

/** Why a model is not on the GPUs of the selection; undefined when it is on one of them. `memory` is that of these GPUs. */
function notOnGpus(id: string, { gpus }: Selection, memory: RouterMemory | undefined): string | undefined {
  if (gpus === undefined) return undefined;
  const bytes = memory?.ofModel(id);
  if (bytes === undefined) return 'its GPU memory is unknown';
  return bytes > 0 ? undefined : `it has no memory on GPU ${gpus.join(', ')}`;
}

/** Why a model is not idle enough for this selection; undefined when it is. An unknown idle time is not enough. */
export function tooActive(model: ModelState, { idleForMs }: Selection, now: number): string | undefined {
  if (idleForMs === undefined) return undefined;
  const since = idleSince(model);
  if (since === undefined) {
    const inUse = model.lifecycle.status === 'loading' || model.activity?.busy;
    return inUse ? 'it is in use' : 'its idle time is unknown';
  }
  if (now - since >= idleForMs) return undefined;
  return `it was active ${formatDuration(Math.max(0, Math.round((now - since) / 1000)))} ago`;
}
