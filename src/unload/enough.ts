import type { OneGpu, RouterMemory } from '../memory/router-memory.ts';
import { idleSince, type ModelState } from '../models/router-state.ts';
import type { Target } from './request.ts';

/** The models that are enough for a target, in the order in which to unload them; none when no choice is enough. */
export function enoughFor(
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
