import type { Loads } from '../load/loads.ts';
import type { RouterMemory } from '../memory/router-memory.ts';
import { isRunning } from '../models/feed.ts';
import type { RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import type { RunContext } from '../unload/run.ts';
import type { Hold } from './hold.ts';
import type { Holds } from './holds.ts';
import { type Loans, objectionToRestore } from './loans.ts';
import type { Preparations } from './preparation.ts';

interface RestoreParts {
  holds: Holds;
  loans: Loans;
  loads: Pick<Loads, 'start'>;
  preparations: Pick<Preparations, 'finished'>;
  store: Pick<Store, 'router'>;
  measure: RunContext['measure'];
  /** The longest time that one model may take to load. */
  timeoutMs(): number;
}

/** Who has models loaded again when an earlier process placed the hold. */
const UNKNOWN_HOLDER: Pick<Hold, 'by' | 'holder'> = { by: { name: 'hold' }, holder: 'an earlier hold' };

/**
 * Loads the models that holds unloaded again, one after the other, as soon as no hold stands on their router. A new hold
 * ends that; what is not ordered by then waits for its end.
 */
export function createRestores(parts: RestoreParts) {
  const { holds, loans, preparations } = parts;
  /** By router: ends the restore that runs there. */
  const running = new Map<string, AbortController>();
  let started = false;
  holds.onChange(({ kind, hold }) => {
    if (kind === 'placed')
      for (const router of hold.routers) running.get(router)?.abort('the router is held');
    if (kind !== 'released' && kind !== 'expired' && kind !== 'failed') return;
    // What is being unloaded for the hold is decided by then.
    void preparations.finished(hold.id).then(() => {
      for (const router of hold.routers) begin(router, hold);
    });
  });
  return {
    /** From now on, models are loaded again; begins with what an earlier process left. */
    start(): void {
      started = true;
      for (const router of loans.routers()) begin(router, UNKNOWN_HOLDER);
    },
  };

  function begin(router: string, hold: Pick<Hold, 'by' | 'holder'>): void {
    if (!started || running.has(router) || holds.on(router).length > 0 || loans.on(router).length === 0)
      return;
    const ending = new AbortController();
    running.set(router, ending);
    void restore(parts, router, hold, ending.signal).then(() => {
      running.delete(router);
      // A hold may have come and gone meanwhile.
      if (ending.signal.aborted) begin(router, hold);
    });
  }
}

async function restore(
  { loads, loans, store, measure, timeoutMs }: RestoreParts,
  router: string,
  { by, holder }: Pick<Hold, 'by' | 'holder'>,
  signal: AbortSignal,
): Promise<void> {
  const models = loans.on(router).map(({ model }) => model);
  const request = {
    trigger: 'restore',
    caller: by,
    reason: `the hold of ${holder} has ended`,
    routers: [router],
    models,
    timeoutMs: timeoutMs(),
    dryRun: false,
  } as const;
  const report = await loads.start(request, { signal, mayStart, onOrdered: strikeOff }).done;
  for (const { models: results } of report.routers) {
    for (const { model, result } of results) if (result !== 'skipped') strikeOff(model);
  }

  async function mayStart(model: string): Promise<string | undefined> {
    const loan = loans.get(router, model);
    if (loan === undefined) return 'it was loaded or unloaded meanwhile';
    const state = store.router(router);
    const room = state ? roomOn(state, await measure(router, 'briefly')) : {};
    const objection = objectionToRestore(loan, state?.models.get(model), room);
    if (objection !== undefined) strikeOff(model);
    return objection;
  }

  /** It is tried once. */
  function strikeOff(model: string): void {
    loans.strikeOff(router, model);
  }
}

/** How many models, and how many bytes, still fit; absent if unlimited or unknown. */
function roomOn({ props: { modelsMax = 0 }, models }: RouterState, memory: RouterMemory | undefined) {
  const running = [...models.values()].filter(({ lifecycle }) => isRunning(lifecycle.status)).length;
  return {
    models: modelsMax === 0 ? undefined : modelsMax - running,
    bytes: memory && memory.totalBytes - memory.usedBytes,
  };
}
