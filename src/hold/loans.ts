import * as z from 'zod';
import { createListeners } from '../lib/listeners.ts';
import { isRunning } from '../models/feed.ts';
import {
  type Change,
  idleSince,
  type Lifecycle,
  type ModelState,
  matchesModel,
  type RouterState,
  type Transition,
} from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import { savedTime } from '../state/state-file.ts';
import type { UnloadRequest } from '../unload/request.ts';
import type { Hold } from './hold.ts';

/** A model that a hold unloaded and that is to be loaded again. Wall times in the state file, else monotonic. */
const savedLoan = z.object({
  router: z.string(),
  model: z.string(),
  hold: z.uuid(),
  /** When it was last used, as far as observed; absent when it was in use. */
  usedAt: savedTime.optional(),
  /** See ListedModel.instance: another instance later means that a client loaded it. */
  instance: z.number().optional(),
  /** The GPU memory that it held, where that is measured. */
  bytes: z.number().optional(),
});

export type Loan = Readonly<z.infer<typeof savedLoan>>;

export type Loans = ReturnType<typeof createLoans>;

/**
 * The models to load again when no hold stands on their router any more. A model that a client or an operator
 * loads or unloads meanwhile is struck off: it is theirs to decide.
 */
export function createLoans(store: Store) {
  const { clock } = store;
  const loans = new Map<string, Loan>();
  /** Those of an earlier process, by key. Until they are settled, it is not known whether it ordered their unload. */
  const earlier = new Set<string>();
  let isSettled = false;
  const struck = createListeners<void>();
  return {
    /** Adds a model just before its unload is ordered, so that nothing is lost when the process dies in between. */
    add(loan: Loan): void {
      loans.set(keyOf(loan), loan);
      earlier.delete(keyOf(loan));
    },
    /**
     * Strikes off what is loaded, everything of a router that is gone, and a model of an earlier process that this one
     * unloads for another reason: the earlier one did not.
     */
    observe(transition: Transition): void {
      const { router } = transition;
      if (transition.kind === 'router' && transition.change === 'removed') {
        strike((loan) => loan.router === router);
      }
      if (transition.kind !== 'model') return;
      const { model, change } = transition;
      const isOurs = change.kind === 'unloaded' && change.reason === 'requested';
      if (isLoad(change) || (isOurs && earlier.has(keyOf({ router, model })))) strikeOff(router, model);
    },
    /** Strikes off the models that an unload of another origin, which begins on a router, wants out of memory. */
    observeUnload({ router, request }: { router: string; request: UnloadRequest }): void {
      strike((loan) => {
        if (loan.router !== router) return false;
        const model = store.router(router)?.models.get(loan.model);
        return isWantedOut(model ?? { id: loan.model, aliases: [] }, request);
      });
    },
    /** The loans on a router, the most recently used model first. */
    on: (router: string): Loan[] =>
      [...loans.values()].filter((loan) => loan.router === router).sort(mostRecentFirst),
    /** The routers with loans. */
    routers: (): string[] => [...new Set([...loans.values()].map(({ router }) => router))],
    strikeOff,
    get: (router: string, model: string): Loan | undefined => loans.get(keyOf({ router, model })),
    /** Called when loans were struck off. */
    onStruck: struck.add,
    snapshot: (): Loan[] => [...loans.values()].map((loan) => withTime(loan, clock.wall)),
    restore(saved: readonly Loan[]): void {
      const past = (at: number) => Math.min(clock.now(), clock.fromWall(at));
      for (const loan of saved) {
        loans.set(keyOf(loan), withTime(loan, past));
        earlier.add(keyOf(loan));
      }
    },
    /** Whether models of an earlier process may still end on its order. */
    hasUnsettled: (): boolean =>
      [...loans.values()].some((loan) => {
        const current = processOf(loan);
        return current && !isAnother(loan, current.instance);
      }),
    /** Strikes off models of an earlier process that are in memory: it did not order their unload, or a client loaded them. */
    settle(): void {
      strike((loan) => processOf(loan) !== undefined);
      isSettled = true;
    },
  };

  /** The process of a model that an earlier process of this program has lent. */
  function processOf(loan: Loan): Lifecycle | undefined {
    const lifecycle = store.router(loan.router)?.models.get(loan.model)?.lifecycle;
    return !isSettled && earlier.has(keyOf(loan)) && isRunning(lifecycle?.status) ? lifecycle : undefined;
  }

  function strikeOff(router: string, model: string): void {
    strike((loan) => loan.router === router && loan.model === model);
  }

  function strike(isStruck: (loan: Loan) => boolean): void {
    const before = loans.size;
    for (const [key, loan] of loans) {
      if (!isStruck(loan)) continue;
      loans.delete(key);
      earlier.delete(key);
    }
    if (loans.size < before) struck.notify();
  }
}

/** A model as it is when a hold unloads it. */
export function loanOf(router: RouterState, model: ModelState, hold: Hold, bytes: number | undefined): Loan {
  const { id, lifecycle, activity, firstSeenAt } = model;
  // Where it is unknown whether models are busy, the last load stands for the last use.
  const usedAt = idleSince(model) ?? (activity ? undefined : (lifecycle.since ?? firstSeenAt));
  return { router: router.name, model: id, hold: hold.id, usedAt, instance: lifecycle.instance, bytes };
}

/** Why a model is not loaded again; undefined when it is. `room`: how many models and bytes still fit, absent if unlimited or unknown. */
export function objectionToRestore(
  loan: Loan,
  model: ModelState | undefined,
  room: { models?: number | undefined; bytes?: number | undefined },
): string | undefined {
  if (model === undefined) return 'the router does not list it any more';
  const { status, instance: current } = model.lifecycle;
  if (isRunning(status)) return 'it was loaded meanwhile';
  if (status === 'downloading') return 'it is downloading';
  if (isAnother(loan, current)) return 'it was loaded and unloaded meanwhile';
  if (room.models !== undefined && room.models < 1) return 'the router has no place for it (--models-max)';
  if (loan.bytes !== undefined && room.bytes !== undefined && room.bytes < loan.bytes) {
    return 'there is not enough free GPU memory for it';
  }
  return undefined;
}

/** Whether a process is another than was lent. 0: the router was restarted, and has not started the model since. */
function isAnother({ instance }: Loan, current: number | undefined): boolean {
  return instance !== undefined && !!current && instance !== current;
}

/** Whether a process was started for a model. The end of the process that is being unloaded may still arrive. */
function isLoad(change: Change): boolean {
  if (change.kind !== 'status' || !isRunning(change.to)) return false;
  return !isRunning(change.from) || (change.from === 'loaded' && change.to === 'loading');
}

/** Whether a request is about this model, without a condition on its memory or use. */
function isWantedOut(model: Pick<ModelState, 'id' | 'aliases'>, { selection, hold }: UnloadRequest): boolean {
  const { models, keep, idleForMs, gpus, target } = selection;
  if (hold !== undefined || idleForMs !== undefined || gpus || target) return false;
  return (models.length === 0 || matchesModel(models, model)) && !matchesModel(keep, model);
}

/** Models in use first, then by their last use. */
function mostRecentFirst(a: Loan, b: Loan): number {
  return (b.usedAt ?? Number.MAX_VALUE) - (a.usedAt ?? Number.MAX_VALUE);
}

function withTime(loan: Loan, convert: (at: number) => number): Loan {
  return loan.usedAt === undefined ? loan : { ...loan, usedAt: convert(loan.usedAt) };
}

function keyOf({ router, model }: Pick<Loan, 'router' | 'model'>): string {
  return JSON.stringify([router, model]);
}

export const LOANS = { name: 'loans', schema: z.array(savedLoan) };
