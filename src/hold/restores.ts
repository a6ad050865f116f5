import type { Loads } from '../load/loads.ts';
import type { RouterMemory } from '../memory/router-memory.ts';
import { isRunning } from '../models/feed.ts';
import type { RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import type { Measure } from '../unload/measure.ts';
import type { LoadRequest } from '../unload/request.ts';
import type { Holds } from './holds.ts';
import { type Loans, objectionToRestore } from './loans.ts';
import type { Preparations } from './preparation.ts';

interface RestoreParts {
  holds: Holds;
  loans: Loans;
  loads: Pick<Loads, 'start'>;
  preparations: Pick<Preparations, 'finished'>;
  store: Pick<Store, 'router' | 'onTransition'>;
  measure: Measure;
  /** The longest time that one model may take to load. */
  timeoutMs(): number;
}

/** On whose behalf models are loaded again, and why. */
type Occasion = Pick<LoadRequest, 'caller' | 'reason'>;

/** The end of a hold that was not observed, or after which the router was down. */
const EARLIER_END: Occasion = { caller: { name: 'hold' }, reason: 'a hold has ended' };

/**
 * Loads the models that holds unloaded again, one after the other, as soon as no hold stands on their router. A new hold
 * ends that; what is not ordered by then waits for its end.
 */
export function createRestores(parts: RestoreParts) {
  const { holds, loans, preparations, store } = parts;
  /** By router: ends the restore that runs there. */
  const running = new Map<string, AbortController>();
  let started = false;
  holds.onChange(({ kind, hold }) => {
    if (kind === 'placed')
      for (const router of hold.routers) running.get(router)?.abort('the router is held');
    if (kind !== 'released' && kind !== 'expired' && kind !== 'failed') return;
    // What is being unloaded for the hold is decided by then.
    void preparations.finished(hold.id).then(() => {
      const occasion = { caller: hold.by, reason: `the hold of ${hold.holder} has ended` };
      for (const router of hold.routers) begin(router, occasion);
    });
  });
  // It was down at the end of the hold.
  store.onTransition((transition) => {
    if (transition.kind === 'router' && transition.change === 'up') begin(transition.router, EARLIER_END);
  });
  return {
    /** From now on, models are loaded again; begins with what an earlier process left. */
    start(): void {
      started = true;
      for (const router of loans.routers()) begin(router, EARLIER_END);
    },
  };

  function begin(router: string, occasion: Occasion): void {
    if (!started || running.has(router) || holds.on(router).length > 0 || loans.on(router).length === 0)
      return;
    const ending = new AbortController();
    running.set(router, ending);
    void restore(parts, router, occasion, ending.signal).then(() => {
      running.delete(router);
      // A hold may have come and gone meanwhile.
      if (ending.signal.aborted) begin(router, occasion);
    });
  }
}

async function restore(
  { loads, loans, store, measure, timeoutMs }: RestoreParts,
  router: string,
  occasion: Occasion,
  signal: AbortSignal,
): Promise<void> {
  const owed = new Map(loans.on(router).map((loan) => [loan.model, loan]));
  const request = {
    trigger: 'restore',
    ...occasion,
    routers: [router],
    models: [...owed.keys()],
    timeoutMs: timeoutMs(),
    dryRun: false,
  } as const;
  const report = await loads.start(request, { signal, mayStart, onOrdered: strikeOff }).done;
  for (const { models: results } of report.routers) {
    for (const { model, result } of results) if (result !== 'skipped') strikeOff(model);
  }

  async function mayStart(model: string): Promise<string | undefined> {
    const loan = loans.get(router, model);
    if (loan === undefined || loan !== owed.get(model)) return 'it was loaded or unloaded meanwhile';
    const state = store.router(router);
    const room = state ? roomOn(state, await measure(router, 'briefly')) : {};
    const objection = objectionToRestore(loan, state?.models.get(model), room);
    if (objection !== undefined) strikeOff(model);
    return objection;
  }

  /** It is tried once. A hold that stands by now may have unloaded it again: that is another loan. */
  function strikeOff(model: string): void {
    if (loans.get(router, model) === owed.get(model)) loans.strikeOff(router, model);
  }
}

/** How many models, and how many bytes, still fit; absent if unlimited or unknown. */
function roomOn({ props: { modelsMax = 0 }, models }: RouterState, memory: RouterMemory | undefined) {
  const running = [...models.values()].filter(({ lifecycle }) => isRunning(lifecycle.status)).length;
  return {
    models: modelsMax === 0 ? undefined : modelsMax - running,
    bytes: memory?.freeBytes,
  };
}
