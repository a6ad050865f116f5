import type { Config } from '../config/schema.ts';
import type { RouterControl } from '../fleet/fleet.ts';
import { formatBytes } from '../lib/bytes.ts';
import { groupBy } from '../lib/group-by.ts';
import type { Memory } from '../memory/memory.ts';
import type { RouterMemory } from '../memory/router-memory.ts';
import type { Measure } from '../unload/measure.ts';
import type { Operations } from '../unload/operations.ts';
import { type Operation, type OperationResult, type RouterResult, unloadedModels } from '../unload/report.ts';
import { defaultTerms, type Target } from '../unload/request.ts';
import type { Hold } from './hold.ts';
import type { Holds } from './holds.ts';
import { type Loan, type Loans, loanOf } from './loans.ts';

interface PreparationParts {
  holds: Holds;
  loans: Loans;
  operations: Pick<Operations, 'start' | 'cancel'>;
  memory: Pick<Memory, 'ofRouter'>;
  measure: Measure;
  config(): Config;
  /** Resolves when the state file has all holds and loans of this moment. */
  save(): Promise<void>;
}

export type Preparations = ReturnType<typeof createPreparations>;

/** Frees the memory that new holds need. A hold that ends meanwhile stops its operation. */
export function createPreparations(parts: PreparationParts) {
  const { holds, operations } = parts;
  const running = new Map<string, Promise<void>>();
  holds.onChange(({ kind, hold }) => {
    if (kind === 'placed' && hold.state === 'preparing') start(hold);
    const { operation } = hold;
    if ((kind === 'released' || kind === 'expired') && operation !== undefined) {
      operations.cancel(operation, `the hold has ${kind === 'expired' ? 'expired' : 'been released'}`);
    }
  });
  return {
    /** Resolves when nothing is being unloaded for this hold any more. */
    finished: (id: string): Promise<void> => running.get(id) ?? Promise.resolve(),
    /** Prepares again the holds whose preparation an earlier process did not finish. */
    resume(): void {
      for (const hold of holds.all()) {
        if (hold.state === 'preparing' && !running.has(hold.id)) start(hold);
      }
    },
  };

  function start(hold: Hold): void {
    const preparation = freeMemory(parts, hold).then((why) => {
      running.delete(hold.id);
      holds.finishPreparation(hold.id, why);
    });
    running.set(hold.id, preparation);
  }
}

/** Why the memory that a hold needs is not free in the end; undefined when it is. */
async function freeMemory(parts: PreparationParts, hold: Hold): Promise<string | undefined> {
  const { needBytes, routers } = hold;
  if (hold.unload === 'all') {
    const report = await unload(parts, hold, routers);
    return needBytes === undefined ? missed(report) : shortage(parts, hold, needBytes, report);
  }
  if (needBytes === undefined) return undefined;
  if (hold.unload === 'none') return shortage(parts, hold, needBytes);
  let why: string | undefined;
  for (const router of routers) {
    const unloaded = new Set<string>();
    // Again while it helps: the memory of a model is known exactly only when it is gone. Not against a client that
    // loads the same models again and again.
    for (;;) {
      const report = await unload(parts, hold, [router], { freeOnOneGpu: needBytes });
      why = await shortage(parts, hold, needBytes, report);
      if (why === undefined) return undefined;
      if (parts.holds.get(hold.id)?.state !== 'preparing') return why;
      const gone = report.routers.flatMap(unloadedModels);
      if (gone.length === 0 || gone.some((model) => unloaded.has(model))) break;
      for (const model of gone) unloaded.add(model);
    }
  }
  return why;
}

async function unload(
  { operations, holds, loans, config, save, memory }: PreparationParts,
  hold: Hold,
  routers: readonly string[],
  target?: Target,
): Promise<Operation> {
  const request = {
    ...defaultTerms(config()),
    trigger: hold.trigger,
    caller: hold.by,
    reason: hold.reason,
    routers,
    selection: { models: [], keep: [], target },
    whenBusy: hold.whenBusy,
    hold: hold.id,
  };
  const started = operations.start(request, hold.restore ? { beforeOrder: lend } : {});
  if (holds.setOperation(hold.id, started.id) === undefined) {
    operations.cancel(started.id, 'the hold has ended');
  }
  const lent: Loan[] = [];
  const report = await started.done;
  for (const loan of lent) if (!isUnloaded(report, loan)) loans.strikeOff(loan.router, loan.model);
  return report;

  /** Before the order, so that the model is not forgotten if this process ends in between. */
  async function lend({ state }: RouterControl, id: string): Promise<void> {
    const model = state.models.get(id);
    if (model === undefined) return;
    const isLent = loans.get(state.name, id) !== undefined;
    // Also at each further attempt: when a busy model was last used is known at its end.
    const loan = loanOf(state, model, hold, memory.ofRouter(state.name)?.ofModel(id));
    loans.add(loan);
    if (isLent) return;
    lent.push(loan);
    await save();
  }
}

/** Of an unload that had an effect. One that only took too long was carried out all the same. */
const EFFECTIVE: readonly (OperationResult | null)[] = ['unloaded', 'forced', 'asked', 'timeout'];

function isUnloaded({ routers }: Operation, { router, model: lent }: Loan): boolean {
  const results = routers.find((each) => each.router === router)?.models ?? [];
  return results.some(({ model, result }) => model === lent && EFFECTIVE.includes(result));
}

/** What an operation could not do, as a sentence without full stop; undefined when it did all. */
function missed({ routers, outcome }: Operation): string | undefined {
  if (outcome === 'success' || outcome === 'noop') return undefined;
  return `not all models could be unloaded: ${routers.flatMap(leftOn).join('; ')}`;
}

/** What stayed on a router, and why. */
function leftOn({ router, fault, refused, models }: RouterResult): string[] {
  if (fault) return [`${router}: ${fault.message}`];
  if (refused) return [`${router}: ${refused.detail}`];
  const left = models.filter(
    ({ result }) => result !== 'unloaded' && result !== 'forced' && result !== 'already_unloaded',
  );
  const byWhy = groupBy(left, ({ result, detail }) => detail ?? String(result));
  return [...byWhy].map(([why, each]) => `${each.map(({ model }) => model).join(', ')}: ${why}`);
}

/** What clients have loaded again. */
function backIn({ routers, still_in_memory }: Operation): string[] {
  const unloaded = routers.flatMap(unloadedModels);
  return still_in_memory.flatMap(({ model }) =>
    unloaded.includes(model) ? [`${model}: it was loaded again`] : [],
  );
}

/** Why less than `needBytes` is free on each GPU; undefined when it is free. `report`: what was unloaded before. */
async function shortage(
  { memory, measure }: PreparationParts,
  { routers }: Hold,
  needBytes: number,
  report?: Operation,
): Promise<string | undefined> {
  let most: { gpu: string; bytes: number } | undefined;
  for (const router of routers) {
    // An operation that unloads something measures at its end.
    const isMeasured = report?.routers.some((each) => each.router === router && each.memory !== undefined);
    const last = isMeasured && (report?.summary.unloaded ?? 0) > 0 ? memory.ofRouter(router) : undefined;
    const free = mostFree(last ?? (await measure(router, 'patiently')));
    if (free && free.bytes >= needBytes) return undefined;
    if (free && free.bytes > (most?.bytes ?? -1)) most = free;
  }
  const needed = `${formatBytes(needBytes)} are needed on one GPU`;
  if (most === undefined) {
    return `${needed}, and its memory could not be measured: llama-router-exporter doctor says why`;
  }
  const left = report ? [...report.routers.flatMap(leftOn), ...backIn(report)] : [];
  const why = left.length === 0 ? '' : ` (${left.join('; ')})`;
  return `${needed}, and at most ${formatBytes(most.bytes)} are free, on GPU ${most.gpu}${why}`;
}

/** The GPU with the most free memory. */
export function mostFree(memory: RouterMemory | undefined): { gpu: string; bytes: number } | undefined {
  const gpus = memory?.gpus().map(({ gpu, freeBytes }) => ({ gpu, bytes: freeBytes }));
  return gpus?.sort((a, b) => b.bytes - a.bytes)[0];
}
