import type { RouterControl } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import { createListeners } from '../lib/listeners.ts';
import { modelNamed } from '../models/router-state.ts';
import { addPending, finishReport, newReport, reportOf, settle } from '../unload/operation.ts';
import type { Operations, Started } from '../unload/operations.ts';
import { withoutStatuses } from '../unload/plan.ts';
import {
  type ModelResult,
  NO_STATUSES,
  type Operation,
  type Refusal,
  type RouterResult,
} from '../unload/report.ts';
import { type LoadRun, loadModel } from './load-model.ts';
import { describeAmbiguous, inScope, placesOf } from './places.ts';
import { rehearseLoads } from './plan.ts';
import type { LoadRequest, LoadSteps } from './request.ts';

interface LoadsParts {
  /** The routers that are followed now. */
  controls(): readonly RouterControl[];
  operations: Pick<Operations, 'track' | 'inTurn'>;
  /** Why a router is not loaded on now for this request: a hold stands on it. Absent: nothing is held. */
  held?: (router: string, request: LoadRequest) => Refusal | undefined;
  clock: Clock;
}

/** A part of a load with the models that it loads there. */
interface PlacedRun extends LoadRun {
  models: readonly string[];
}

export type Loads = ReturnType<typeof createLoads>;

/** All loads of the service. Each is an operation; every model takes its turn among the operations on its router. */
export function createLoads(parts: LoadsParts) {
  const begun = createListeners<[Operation, LoadRequest]>();
  const ended = createListeners<[Operation, LoadRequest]>();
  return {
    /** Starts an operation that loads the models of each router one after the other. Never throws. */
    start(request: LoadRequest, steps: LoadSteps = {}): Started {
      const started = start(parts, request, steps, (report) => ended.notify([report, request]));
      if (!request.dryRun) begun.notify([started.report(), request]);
      return started;
    },
    /** Called with each load when it starts; not for dry runs. */
    onStart: (listener: (operation: Operation, request: LoadRequest) => void) =>
      begun.add((event) => listener(...event)),
    /** Called with each finished load. */
    onEnd: (listener: (operation: Operation, request: LoadRequest) => void) =>
      ended.add((event) => listener(...event)),
  };
}

function start(
  parts: LoadsParts,
  request: LoadRequest,
  steps: LoadSteps,
  ended: (report: Operation) => void,
): Started {
  const { clock, operations, controls } = parts;
  const startedAt = clock.now();
  const interrupts = new Map<string, AbortController>();
  const runs = runsOf(parts, request, steps, interrupts);
  const report = newReport('load', request, runs, clock.wall(startedAt));
  const sources = { report, startedAt, runs };
  const started: Started = {
    id: report.id,
    joined: false,
    report: () => reportOf(sources, clock.now()),
    done: runAll(),
  };
  operations.track(started, interrupt);
  return started;

  function interrupt(routers: readonly string[] | undefined, why: string): void {
    for (const [router, controller] of interrupts) {
      if (routers === undefined || routers.includes(router)) controller.abort(why);
    }
  }

  async function runAll(): Promise<Operation> {
    const { signal } = steps;
    const stop = () => interrupt(undefined, String(signal?.reason));
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop);
    await Promise.all(runs.map((run) => runOnRouter(run, parts)));
    signal?.removeEventListener('abort', stop);
    const routers = controls().map(({ state }) => state.name);
    finishReport(sources, request, routers, clock.now());
    const finished = reportOf(sources, clock.now());
    ended(finished);
    return finished;
  }
}

/** One run for every router that has one of the models; a name without a clear place is reported by one of them. */
function runsOf(
  { controls, held = () => undefined, clock }: LoadsParts,
  request: LoadRequest,
  steps: LoadSteps,
  interrupts: Map<string, AbortController>,
): PlacedRun[] {
  const states = controls().map(({ state }) => state);
  const { byRouter, unknown, ambiguous } = placesOf(states, request);
  // A router that is down may have it: the run says that it is down.
  const scope = inScope(states, request);
  const isDown = scope.filter(({ up }) => !up);
  for (const { name } of isDown.length > 0 ? isDown : scope.slice(0, 1)) {
    if (unknown.length > 0) byRouter.set(name, [...(byRouter.get(name) ?? []), ...unknown]);
  }
  const unclear = ambiguous.map((each): [string | undefined, ModelResult] => {
    return [each.routers[0], { model: each.model, result: 'failed', detail: describeAmbiguous(each) }];
  });
  return controls().flatMap((control): PlacedRun[] => {
    const router = control.state.name;
    const models = byRouter.get(router) ?? [];
    const failed = unclear.flatMap(([first, result]) => (first === router ? [result] : []));
    if (models.length + failed.length === 0) return [];
    const controller = new AbortController();
    interrupts.set(router, controller);
    return [
      {
        control,
        request,
        steps,
        models,
        result: { router, models: failed },
        onProgress: steps.onProgress ?? (() => {}),
        held: () => held(router, request),
        clock,
        interrupt: controller.signal,
      },
    ];
  });
}

/** Loads the models of one router, each in a turn of its own, so that other operations need not wait for all. Never throws. */
async function runOnRouter(run: PlacedRun, { operations, clock }: LoadsParts): Promise<void> {
  const { control, request, result } = run;
  if (request.dryRun) {
    const names = await prepare(run);
    for (const each of rehearseLoads(control.state, names, clock.now())) settle(run, each);
    return;
  }
  /** Undefined before the first turn. */
  let waiting: string[] | undefined;
  do {
    const refused = await operations.inTurn(result.router, async () => {
      waiting ??= await begin(run);
      const model = waiting.shift();
      if (model !== undefined) settle(run, { model, ...(await loadModel(run, model)) });
    });
    if (refused) return refuse(run, refused);
  } while (waiting && waiting.length > 0);
}

/** The ids of the models to load, from a listing made after the request; none when nothing can be loaded. */
async function prepare(run: PlacedRun): Promise<string[]> {
  const { control, result, models } = run;
  await control.refresh();
  const { state } = control;
  const fault = faultOf(run);
  const refusal = run.held();
  if (fault) result.fault = fault;
  else if (refusal) result.refused = refusal;
  return fault ? [] : [...new Set(models.map((name) => modelNamed(state.models, name)?.id ?? name))];
}

async function begin(run: PlacedRun): Promise<string[]> {
  const names = await prepare(run);
  if (run.result.refused) return [];
  addPending(run, names);
  return names;
}

/** Reports that the models without a result are not loaded: too many operations are queued. */
function refuse(run: PlacedRun, refusal: Refusal): void {
  const { result } = run;
  result.refused = refusal;
  const pending = result.models.filter((each) => each.result === null);
  for (const { model } of pending) settle(run, { model, result: 'skipped', detail: refusal.detail });
}

/** Why nothing can be loaded on this router. */
function faultOf({ control: { state } }: PlacedRun): RouterResult['fault'] {
  if (!state.up) return state.fault ?? { kind: 'timeout', message: `${state.url} has not answered yet` };
  const message = withoutStatuses(state, 'loaded');
  return message === undefined ? undefined : { kind: NO_STATUSES, message };
}
