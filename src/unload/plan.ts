import { formatDuration } from '../lib/duration.ts';
import type { GpuFault, OneGpu, RouterMemory } from '../memory/router-memory.ts';
import { isRunning, type Status } from '../models/feed.ts';
import { idleSince, type ModelState, matchesModel, type RouterState } from '../models/router-state.ts';
import type { ModelResult } from './report.ts';
import type { Selection, Target } from './request.ts';

/** What an operation does on one router. */
export interface Plan {
  unload: string[];
  /** Results that are known without doing anything. */
  settled: ModelResult[];
  /** Patterns of the selection that match no model. */
  unmatched: string[];
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
  const unmatched = withoutMatch(selection.models, models);
  if (selection.target === undefined) return { unload: unload.map(({ id }) => id), settled, unmatched };
  const enough = enoughFor(selection.target, unload, now, memory);
  const spared = unload.filter(({ id }) => !enough.includes(id));
  const isInVain =
    enough.length === 0 && 'freeOnOneGpu' in selection.target && !isFree(selection.target, memory);
  const detail = isInVain ? 'its memory would not be enough' : 'enough memory is freed without it';
  return {
    unload: enough,
    settled: [...settled, ...spared.map(({ id }): ModelResult => ({ model: id, result: 'kept', detail }))],
    unmatched,
  };
}

/** The patterns that match none of these models. */
export function withoutMatch(patterns: readonly string[], models: readonly ModelState[]): string[] {
  return patterns.filter((pattern) => !models.some((model) => matchesModel([pattern], model)));
}

/** Why the selection needs memory that is not measured, or a GPU that is unknown; undefined when it does not. */
export function unmeasurable(
  { target, gpus }: Selection,
  memory: RouterMemory | undefined,
): GpuFault | undefined {
  if (gpus !== undefined && memory) {
    const named = memory.onGpus(gpus);
    return named.ok ? undefined : named.fault;
  }
  const needs =
    target === undefined || 'freeBytes' in target
      ? undefined
      : 'untilRatio' in target
        ? 'until_ratio'
        : 'need_bytes';
  const what = gpus === undefined ? needs : 'a GPU as selection';
  if (what === undefined || memory) return undefined;
  const way = needs === 'until_ratio' ? 'use free_bytes, or run' : 'run';
  const message = `the GPU memory of this router is not measured, which ${what} needs: ${way} the exporter on its host`;
  return { kind: 'unmeasured', message };
}

/** The memory that a selection is about. */
export function memoryOf({ gpus }: Selection, memory: RouterMemory | undefined): RouterMemory | undefined {
  if (gpus === undefined || memory === undefined) return memory;
  const named = memory.onGpus(gpus);
  return named.ok ? named.value : undefined;
}

/** Why nothing can be unloaded or loaded on a server: it lists models, and the status of none. */
export function withoutStatuses(
  { url, models, traits }: Pick<RouterState, 'url' | 'models' | 'traits'>,
  what: 'unloaded' | 'loaded' = 'unloaded',
): string | undefined {
  const statuses = [...models.values()].map(({ lifecycle }) => lifecycle.status);
  if (statuses.length === 0 || statuses.some((status) => status !== 'other')) return undefined;
  return (
    `${url} lists models without telling which are loaded, so none can be ${what}: ` +
    traits.remedies.noStatuses
  );
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

/** The models that are enough for a target, in the order in which to unload them. */
function enoughFor(
  target: Target,
  models: readonly ModelState[],
  now: number,
  memory: RouterMemory | undefined,
): string[] {
  const candidatesOn = (on: OfModel | undefined) => models.map((model) => candidateOf(model, now, on));
  if ('freeBytes' in target) return chooseEnough(candidatesOn(memory), target.freeBytes);
  if (memory === undefined) return [];
  if ('untilRatio' in target) {
    return chooseEnough(candidatesOn(memory), memory.usedBytes - target.untilRatio * memory.totalBytes);
  }
  const choices = memory.gpus().map((gpu) => chooseOn(gpu, candidatesOn(gpu), target.freeOnOneGpu));
  return choices.filter(({ isEnough }) => isEnough).sort(bestGpuFirst)[0]?.models ?? [];
}

/** Whether nothing needs to go. */
function isFree({ freeOnOneGpu }: { freeOnOneGpu: number }, memory: RouterMemory | undefined): boolean {
  return (memory?.gpus() ?? []).some(({ freeBytes }) => freeBytes >= freeOnOneGpu);
}

/** What must go to make room on one GPU. */
interface GpuChoice {
  models: string[];
  /** Whether so much is free then, as far as known. */
  isEnough: boolean;
  busy: number;
}

function chooseOn(gpu: OneGpu, candidates: readonly Candidate[], bytes: number): GpuChoice {
  const here = candidates.filter((candidate) => candidate.bytes === undefined || candidate.bytes > 0);
  const needed = bytes - gpu.freeBytes;
  const models = chooseEnough(here, needed);
  const chosen = here.filter(({ id }) => models.includes(id));
  // What a model holds that was loaded after the last reading is not known: its weights are the least.
  const freed = chosen.reduce((sum, { id }) => sum + (gpu.ofModel(id) ?? Number.POSITIVE_INFINITY), 0);
  return { models, isEnough: freed >= needed, busy: chosen.filter(mayBeBusy).length };
}

function bestGpuFirst(a: GpuChoice, b: GpuChoice): number {
  return a.busy - b.busy || a.models.length - b.models.length;
}

type OfModel = Pick<RouterMemory, 'ofModel'>;

/** Where memory is not measured, a model counts with the size of its weights; a sleeping model has freed most of it. */
function candidateOf(model: ModelState, now: number, memory: OfModel | undefined): Candidate {
  const { id, lifecycle, facts, loadSeconds } = model;
  const estimated = lifecycle.status === 'sleeping' ? undefined : facts.sizeBytes;
  const since = idleSince(model);
  return {
    id,
    bytes: memory?.ofModel(id) ?? estimated,
    idleMs: since === undefined ? undefined : Math.max(0, now - since),
    loadSeconds,
  };
}

/** A model that can be unloaded to free memory. */
export interface Candidate {
  id: string;
  /** The memory it holds; undefined when unknown, then it counts as none. */
  bytes?: number | undefined;
  /** Undefined when it is busy or its idle time is unknown. */
  idleMs?: number | undefined;
  /** How long its last load took; undefined when no load was observed. */
  loadSeconds?: number | undefined;
}

/**
 * The fewest models that free `neededBytes`, in the order in which to unload them: the least missed first. All
 * candidates when they do not free enough together.
 */
export function chooseEnough(candidates: readonly Candidate[], neededBytes: number): string[] {
  const chosen: Candidate[] = [];
  let missing = neededBytes;
  for (const candidate of candidates.toSorted(leastMissedFirst)) {
    if (missing <= 0) break;
    chosen.push(candidate);
    missing -= candidate.bytes ?? 0;
  }
  // A large model at the end may make earlier ones superfluous: spare the most missed of them. But never spare an
  // idle model at the expense of a busy one, which may not become idle in time.
  const someAreBusy = chosen.some(mayBeBusy);
  for (const candidate of chosen.toReversed()) {
    const bytes = candidate.bytes ?? 0;
    if (missing > 0 || bytes > -missing || mayBeBusy(candidate) !== someAreBusy) continue;
    chosen.splice(chosen.indexOf(candidate), 1);
    missing += bytes;
  }
  return chosen.map(({ id }) => id);
}

/**
 * The longest idle first. Of models that are idle for about as long (within a factor of two), the fastest to load
 * first. Models of unknown size come late, busy models last.
 */
function leastMissedFirst(a: Candidate, b: Candidate): number {
  return (
    Number(mayBeBusy(a)) - Number(mayBeBusy(b)) ||
    Number(a.bytes === undefined) - Number(b.bytes === undefined) ||
    idleRank(b) - idleRank(a) ||
    (a.loadSeconds ?? Number.MAX_VALUE) - (b.loadSeconds ?? Number.MAX_VALUE) ||
    (a.id < b.id ? -1 : 1)
  );
}

function mayBeBusy({ idleMs }: Candidate): boolean {
  return idleMs === undefined;
}

function idleRank({ idleMs = 0 }: Candidate): number {
  return Math.floor(Math.log2(Math.max(1, idleMs)));
}
