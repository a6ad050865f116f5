import { setMaxListeners } from 'node:events';
import type { RouterControl } from '../fleet/fleet.ts';
import { createLimit } from '../lib/concurrency.ts';
import { formatDuration } from '../lib/duration.ts';
import { failed } from '../lib/result.ts';
import type { RouterMemory } from '../memory/router-memory.ts';
import { isRunning } from '../models/feed.ts';
import type { ModelState } from '../models/router-state.ts';
import { memoryFor } from './measure.ts';
import { addPending, settle, type UnloadRun } from './operation.ts';
import { faultOf, planUnload } from './plan.ts';
import type { ModelResult, RouterResult } from './report.ts';
import type { Selection, UnloadRequest } from './request.ts';
import { unloadModel } from './unload-model.ts';

/**
 * Carries out an operation on one router, on a listing made after the request; a model that fails does not stop the
 * others. Never throws.
 */
export async function runOnRouter(run: UnloadRun): Promise<void> {
  const { result, request, control, measure } = run;
  run.joined = false;
  delete result.fault;
  const [all] = await Promise.all([measure(result.router, 'briefly'), control.refresh()]);
  const fault = faultOf(control.state, 'unloaded');
  const memory = fault ? failed(fault) : memoryFor(request.selection, all);
  if (!memory.ok) {
    result.fault = memory.fault;
    return;
  }
  const before = memory.value;
  if (request.dryRun) return rehearse(run, before);
  await unloadAll(run, before);
  run.ended = true;
  await lookAgain(run);
  const after = before && (await measureAgain(run));
  if (before && after) {
    const before_bytes = result.memory?.before_bytes ?? before.usedBytes;
    const after_bytes = after.usedBytes;
    const freed_bytes = Math.max(0, before_bytes - after_bytes);
    result.memory = { before_bytes, after_bytes, freed_bytes };
  }
}

async function measureAgain({ request, result, measure }: UnloadRun): Promise<RouterMemory | undefined> {
  const memory = memoryFor(request.selection, await measure(result.router, 'patiently'));
  return memory.ok ? memory.value : undefined;
}

/**
 * Unloads what the plan says. With a target, other models take the place of those that could not be unloaded. After a
 * request has joined, the models are listed again, and what has appeared is unloaded too.
 */
async function unloadAll(run: UnloadRun, before: RouterMemory | undefined): Promise<void> {
  const { request, control } = run;
  const { target } = request.selection;
  const { models } = control.state;
  const underWay = new Map<string, Promise<ModelResult>>();
  const limit = createLimit(control.state.traits.unloadsAtOnce);
  setMaxListeners(0, run.stopWaiting.signal, run.stopWatching); // One for every model.
  let tried = new Set<string>();
  let memory = before;
  let freed = 0;
  for (;;) {
    const selection = withoutFreed(request.selection, freed);
    const untried = [...models.values()].filter(({ id }) => !tried.has(id));
    run.listed ??= untried;
    const plan = planUnload(untried, selection, run.clock.now(), memory);
    const sizes = new Map(untried.map(({ id, facts }) => [id, memory?.ofModel(id) ?? facts.sizeBytes ?? 0]));
    const unload = busyLast(plan.unload, models);
    addPending(run, unload);
    for (const model of unload) {
      tried.add(model);
      underWay.set(model, unloadModel({ run, model, selection, limit }).then(settled));
    }
    const round = [...underWay.values()];
    await Promise.race([Promise.all(round), untilJoined(run)]);
    if (run.joined) {
      run.joined = false;
      await control.refresh();
      tried = new Set(underWay.keys());
      continue;
    }
    const gone = (await Promise.all(round)).filter(isGone);
    if (target === undefined || gone.length === round.length) {
      settleOthers(run, plan.settled);
      return;
    }
    for (const { model } of gone) freed += sizes.get(model) ?? 0;
    memory = await measureAgain(run);
  }

  function settled(result: ModelResult): ModelResult {
    underWay.delete(result.model);
    settle(run, result);
    return result;
  }
}

/** Resolves when a request joins the operation. */
function untilJoined(run: UnloadRun): Promise<void> {
  return new Promise((resolve) => {
    run.wake = resolve;
    if (run.joined) resolve();
  });
}

/** Stopping a busy model may take long, and holds up the others where unloads go one after the other. */
function busyLast(ids: readonly string[], models: RouterControl['state']['models']): string[] {
  const isBusy = (id: string) => models.get(id)?.activity?.busy === true;
  return [...ids.filter((id) => !isBusy(id)), ...ids.filter(isBusy)];
}

/** A client that waits for a place on a full router gets it at most 8 ms after an unload (measured on b11669). */
const NEXT_LOAD_MS = 50;

/** After unloads, waits until the observed state shows what clients have loaded in their place, and reports what of it is kept. */
async function lookAgain(run: UnloadRun): Promise<void> {
  const { control, request, result, clock } = run;
  const { state, refresh } = control;
  const gone = result.models.filter(isGone).length;
  if (!request.verify || gone === 0) return;
  if (state.stream !== 'connected') await refresh();
  else if (wasFull(state, gone)) await new Promise<void>((resolve) => clock.after(NEXT_LOAD_MS, resolve));
  if (request.selection.target !== undefined) return;
  const { settled } = planUnload([...state.models.values()], request.selection, clock.now());
  settleOthers(
    run,
    settled.filter((each) => each.result === 'kept'),
  );
}

/** Reports the results of models that have none yet. */
function settleOthers(run: UnloadRun, results: readonly ModelResult[]): void {
  const reported = new Set(run.result.models.map(({ model }) => model));
  for (const each of results) if (!reported.has(each.model)) settle(run, each);
}

/** Whether clients may have waited for a place; unknown counts as yes. */
function wasFull({ props: { modelsMax }, models }: RouterControl['state'], gone: number): boolean {
  const running = [...models.values()].filter(({ lifecycle }) => isRunning(lifecycle.known)).length;
  return modelsMax === undefined || (modelsMax > 0 && running + gone >= modelsMax);
}

/** Reports what would be done, without a probe of any model. */
function rehearse(run: UnloadRun, memory: RouterMemory | undefined): void {
  const { models } = run.control.state;
  run.listed = [...models.values()];
  const plan = planUnload(run.listed, run.request.selection, run.clock.now(), memory);
  for (const id of plan.unload) {
    const model = models.get(id);
    if (model) settle(run, rehearsedResult(model, run.request));
  }
  for (const result of plan.settled) settle(run, result);
}

function rehearsedResult(model: ModelState, { whenBusy, busyTimeoutMs }: UnloadRequest): ModelResult {
  const { id, lifecycle, activity } = model;
  const isLoading = lifecycle.status === 'loading';
  if (lifecycle.status === 'loaded' && activity === undefined && whenBusy === 'skip') {
    return { model: id, result: 'would_unload', detail: 'unless it is busy, which is unknown' };
  }
  if (!isLoading && !activity?.busy) return { model: id, result: 'would_unload' };
  const doing = isLoading ? 'it is still loading' : 'it is generating';
  switch (whenBusy) {
    case 'skip':
      return { model: id, result: 'busy', detail: doing };
    case 'wait': {
      const detail = `${doing}: the operation would wait up to ${formatDuration(busyTimeoutMs / 1000)}`;
      return { model: id, result: 'would_unload', detail };
    }
    case 'force':
      return { model: id, result: 'would_unload', detail: `${doing} and would be interrupted` };
  }
}

/** The selection for what is still missing. A ratio needs no change: it is compared with a new measurement. */
function withoutFreed(selection: Selection, freed: number): Selection {
  const { target } = selection;
  if (target === undefined || !('freeBytes' in target)) return selection;
  return { ...selection, target: { freeBytes: target.freeBytes - freed } };
}

function isGone({ result }: Pick<RouterResult['models'][number], 'result'>): boolean {
  return result === 'unloaded' || result === 'forced' || result === 'already_unloaded' || result === 'asked';
}
