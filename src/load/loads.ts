import type { RouterControl } from '../fleet/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import { modelNamed } from '../models/router-state.ts';
import { addPending, type Started, settle } from '../unload/operation.ts';
import type { Operations } from '../unload/operations.ts';
import { faultOf } from '../unload/plan.ts';
import type { Refusal } from '../unload/report.ts';
import type { LoadRequest } from '../unload/request.ts';
import { type LoadRun, type LoadSteps, loadModel } from './load-model.ts';
import { inScope, unknownIn } from './places.ts';
import { rehearseLoads } from './plan.ts';

interface LoadsParts {
  /** The routers that are followed now. */
  controls(): readonly RouterControl[];
  operations: Pick<Operations, 'run' | 'inTurn'>;
  /** Why a router is not loaded on now for this request: a hold stands on it. Absent: nothing is held. */
  held?: (router: string, request: LoadRequest) => Refusal | undefined;
  clock: Clock;
}

export type Loads = ReturnType<typeof createLoads>;

/** All loads of the service. Each is an operation; every model takes its turn among the operations on its router. */
export function createLoads(parts: LoadsParts) {
  return {
    /** Starts an operation that loads the models of each router one after the other. Never throws. */
    start(request: LoadRequest, steps: LoadSteps = {}): Started {
      const runs = runsOf(parts, request, steps);
      const { signal } = steps;
      const stop = () => {
        for (const { stopWaiting } of runs) stopWaiting.abort(signal?.reason);
      };
      if (signal?.aborted) stop();
      signal?.addEventListener('abort', stop, { once: true });
      return parts.operations.run({
        request,
        runs,
        acts: !request.dryRun,
        carryOut: async () => void (await Promise.all(runs.map((run) => runOnRouter(run, parts)))),
      });
    },
  };
}

/** One run for every router that has one of the models. A name that no router has is reported by one of them. */
function runsOf({ controls, held, clock }: LoadsParts, request: LoadRequest, steps: LoadSteps): LoadRun[] {
  const states = controls().map(({ state }) => state);
  const scope = inScope(states, request);
  const unknown = unknownIn(scope, request.models);
  // A router that is down may have it: the run says that it is down.
  const isDown = scope.filter(({ up }) => !up);
  const reporting = isDown.length > 0 ? isDown : scope.slice(0, 1);
  return controls().flatMap((control): LoadRun[] => {
    const { state } = control;
    const known = scope.includes(state)
      ? request.models.filter((name) => modelNamed(state.models, name))
      : [];
    const models = reporting.includes(state) ? [...known, ...unknown] : known;
    if (models.length === 0) return [];
    return [
      {
        control,
        request,
        steps,
        models,
        result: { router: state.name, models: [] },
        onProgress: steps.onProgress,
        held: () => held?.(state.name, request),
        clock,
        stopWaiting: new AbortController(),
      },
    ];
  });
}

/** Loads the models of one router, each in a turn of its own, so that other operations need not wait for all. Never throws. */
async function runOnRouter(run: LoadRun, { operations, clock }: LoadsParts): Promise<void> {
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
async function prepare(run: LoadRun): Promise<string[]> {
  const { control, result, models } = run;
  await control.refresh();
  const { state } = control;
  const fault = faultOf(state, 'loaded');
  const refusal = run.held();
  if (fault) result.fault = fault;
  else if (refusal) result.refused = refusal;
  return fault ? [] : [...new Set(models.map((name) => modelNamed(state.models, name)?.id ?? name))];
}

async function begin(run: LoadRun): Promise<string[]> {
  const names = await prepare(run);
  if (run.result.refused) return [];
  addPending(run, names);
  return names;
}

/** Reports that the models without a result are not loaded: too many operations are queued. */
function refuse(run: LoadRun, refusal: Refusal): void {
  const { result } = run;
  result.refused = refusal;
  const pending = result.models.filter((each) => each.result === null);
  for (const { model } of pending) settle(run, { model, result: 'skipped', detail: refusal.detail });
}
