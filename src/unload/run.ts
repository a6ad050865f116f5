import { setMaxListeners } from 'node:events';
import type { Clock } from '../lib/clock.ts';
import { createLimit } from '../lib/concurrency-limit.ts';
import { formatDuration } from '../lib/duration.ts';
import { createMutex } from '../lib/mutex.ts';
import type { ModelState } from '../models/router-state.ts';
import { type MemoryReading, type Plan, planUnload, unmeasurable } from './plan.ts';
import { type MemoryChange, type ModelResult, NOT_MEASURED } from './report.ts';
import type { Selection, UnloadRequest } from './request.ts';
import type { UnloadControl } from './unload-control.ts';
import { type Patience, type Setting, unloadModel } from './unload-model.ts';

/** Told as it happens, by the run on one router. */
export interface RunProgress {
  planned(models: readonly string[]): void;
  waiting(model: string, why: string): void;
  settled(result: ModelResult): void;
}

/** What is to be said of the run beyond its models. */
export interface RunEnd {
  fault?: { kind: string; message: string };
  memory?: MemoryChange;
  /** Patterns of the selection that no model of this router matches. */
  unmatched: readonly string[];
}

/** As many unloads as are under way on one router at once: each is a process that ends. */
const AT_ONCE = 8;

/** A model that answers later than this keeps no other from being asked. */
const PATIENCE_MS = 250;

/**
 * Does on one router what is asked for: plans on what is believed, unloads what the plan says, several at once,
 * and goes on when one fails. Never throws.
 */
export async function runOnRouter(
  request: UnloadRequest,
  hands: UnloadControl,
  clock: Clock,
  patience: Patience,
  news: RunProgress,
): Promise<RunEnd> {
  const { state } = hands;
  if (!state.up) {
    const fault = state.fault ?? { kind: 'timeout', message: `${state.url} has not answered yet` };
    return { fault, unmatched: [] };
  }
  const before = await hands.memory?.('briefly');
  const why = unmeasurable(request.selection, before);
  if (why !== undefined) return { fault: { kind: NOT_MEASURED, message: why }, unmatched: [] };
  setMaxListeners(0, patience.busy, patience.gone); // One for every model.
  const limit = createLimit(AT_ONCE);
  const askInTurn = createMutex(PATIENCE_MS);
  const settingOf = (model: string): Setting => ({
    clock,
    limit,
    askInTurn,
    patience,
    onWaiting: (reason) => news.waiting(model, reason),
  });
  const unmatched = request.dryRun
    ? rehearse(request, hands, clock, before, news)
    : await act(request, hands, clock, before, news, settingOf);
  if (request.dryRun || before === undefined) return { unmatched };
  const after = await hands.memory?.('patiently');
  return { unmatched, ...(after && { memory: changeOf(before, after) }) };
}

/** All that the selection means; with a target, more models take the place of those that would not go. */
async function act(
  request: UnloadRequest,
  hands: UnloadControl,
  clock: Clock,
  before: MemoryReading | undefined,
  news: RunProgress,
  settingOf: (model: string) => Setting,
): Promise<readonly string[]> {
  const models = [...hands.state.models.values()];
  const tried = new Set<string>();
  let memory = before;
  let freed = 0;
  let unmatched: readonly string[] | undefined;
  for (;;) {
    const rest = models.filter(({ id }) => !tried.has(id)).map(({ id }) => hands.state.models.get(id));
    const selection = remaining(request.selection, freed);
    const plan = planUnload(rest.filter(isThere), selection, clock.now(), memory);
    unmatched ??= plan.unmatched;
    news.planned(plan.unload);
    const results = await Promise.all(
      plan.unload.map(async (model) => {
        tried.add(model);
        const result = await unloadModel(model, { ...request, selection }, hands, settingOf(model));
        news.settled(result);
        return result;
      }),
    );
    const gone = results.filter(isGone).map(({ model }) => model);
    freed += sumOfBytes(models, gone, memory);
    const missed = request.selection.target !== undefined && gone.length < results.length;
    if (!missed) {
      for (const result of plan.settled) news.settled(result);
      return unmatched;
    }
    memory = await hands.memory?.('patiently');
  }
}

/** What would be done, by what is believed: nothing is asked. */
function rehearse(
  request: UnloadRequest,
  { state }: UnloadControl,
  clock: Clock,
  memory: MemoryReading | undefined,
  news: RunProgress,
): readonly string[] {
  const models = [...state.models.values()];
  const plan: Plan = planUnload(models, request.selection, clock.now(), memory);
  for (const id of plan.unload) {
    const model = state.models.get(id);
    if (model) news.settled(wouldDo(model, request));
  }
  for (const result of plan.settled) news.settled(result);
  return plan.unmatched;
}

function wouldDo(
  { id, lifecycle, activity }: ModelState,
  { whenBusy, busyTimeoutMs }: UnloadRequest,
): ModelResult {
  const doing =
    lifecycle.status === 'loading' ? 'it is still loading' : activity?.busy ? 'it is generating' : undefined;
  if (doing === undefined) return { model: id, result: 'would_unload' };
  switch (whenBusy) {
    case 'skip':
      return { model: id, result: 'busy', detail: doing };
    case 'wait': {
      const limit = formatDuration(busyTimeoutMs / 1000);
      return {
        model: id,
        result: 'would_unload',
        detail: `${doing}: it would be waited for, up to ${limit}`,
      };
    }
    case 'force':
      return { model: id, result: 'would_unload', detail: `${doing}: what it is doing would be lost` };
  }
}

/** What is still wanted after so much has become free. A ratio is measured anew instead. */
function remaining(selection: Selection, freed: number): Selection {
  const { target } = selection;
  if (target === undefined || !('freeBytes' in target)) return selection;
  return { ...selection, target: { freeBytes: target.freeBytes - freed } };
}

function sumOfBytes(
  models: readonly ModelState[],
  gone: readonly string[],
  memory: MemoryReading | undefined,
): number {
  return models
    .filter(({ id }) => gone.includes(id))
    .reduce((sum, { id, facts }) => sum + (memory?.ofModel(id) ?? facts.sizeBytes ?? 0), 0);
}

function isGone({ result }: ModelResult): boolean {
  return result === 'unloaded' || result === 'forced' || result === 'already_unloaded' || result === 'asked';
}

function isThere(model: ModelState | undefined): model is ModelState {
  return model !== undefined;
}

function changeOf(before: MemoryReading, after: MemoryReading): MemoryChange {
  return {
    before_bytes: before.usedBytes,
    after_bytes: after.usedBytes,
    freed_bytes: Math.max(0, before.usedBytes - after.usedBytes),
  };
}
