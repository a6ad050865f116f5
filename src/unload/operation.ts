import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import {
  goneOf,
  type ModelResult,
  type Operation,
  outcomeOf,
  type Refusal,
  type RouterResult,
  summarize,
} from './report.ts';
import { isAutomatic, type UnloadRequest } from './request.ts';
import type { RunEnd, RunProgress } from './run.ts';

/** Told of each model as its result is known. */
export type Progress = (router: string, result: ModelResult) => void;

/** An operation that is under way: what its runs tell goes in, its report so far comes out. */
export interface LiveOperation {
  readonly id: string;
  readonly request: UnloadRequest;
  /** Where the run on this router tells how it goes. */
  newsOf(router: string): RunProgress;
  refused(router: string, refusal: Refusal): void;
  ended(router: string, end: RunEnd): void;
  /** The models of this router whose result is not known yet; undefined: nothing has been decided there yet. */
  pending(router: string): readonly string[] | undefined;
  /** The models of this router that are unloaded so far. */
  gone(router: string): string[];
  /** Nothing more will happen: says of names and patterns that nothing fitted, and what it came to. */
  finish(known: readonly string[]): void;
  readonly finished: boolean;
  /** A copy: it does not change any more. */
  report(): Operation;
}

/** Begins the report of an operation on these routers, in this order. */
export function beginOperation(
  request: UnloadRequest,
  routers: readonly string[],
  clock: Clock,
  progress: Progress = () => {},
): LiveOperation {
  const startedAt = clock.now();
  const results = new Map<string, RouterResult>(
    routers.map((router) => [router, { router, models: [] as RouterResult['models'] }]),
  );
  /** The routers on which the decision has fallen what to do. */
  const planned = new Set<string>();
  const unmatched: (readonly string[])[] = [];
  const operation: Operation = {
    id: randomUUID(),
    trigger: request.trigger,
    caller: request.caller,
    reason: request.reason,
    when_busy: request.whenBusy,
    outcome: null,
    dry_run: request.dryRun,
    started_at: new Date(clock.wall(startedAt)).toISOString(),
    duration_seconds: 0,
    routers: [...results.values()],
    summary: summarize([]),
  };

  return {
    id: operation.id,
    request,
    newsOf: (router) => ({
      planned(models) {
        planned.add(router);
        for (const model of models) resultOf(router).models.push({ model, result: null });
      },
      waiting(model, why) {
        put(router, { model, result: null, detail: why });
      },
      settled: (result) => settle(router, result),
    }),
    refused(router, refusal) {
      planned.add(router);
      resultOf(router).refused = refusal;
    },
    ended(router, { fault, memory, unmatched: patterns }) {
      planned.add(router);
      Object.assign(resultOf(router), { ...(fault && { fault }), ...(memory && { memory }) });
      if (!fault) unmatched.push(patterns);
    },
    pending(router) {
      if (!planned.has(router)) return undefined;
      return resultOf(router).models.flatMap(({ model, result }) => (result === null ? [model] : []));
    },
    gone: (router) => goneOf(resultOf(router)),
    finish(known) {
      reportUnmatched();
      reportUnknown(known);
      operation.outcome = outcomeOf(operation.routers, request);
      operation.duration_seconds = elapsed();
    },
    get finished() {
      return operation.outcome !== null;
    },
    report() {
      const { routers: inside, outcome, duration_seconds } = operation;
      const duration = outcome === null ? elapsed() : duration_seconds;
      return structuredClone({ ...operation, duration_seconds: duration, summary: summarize(inside) });
    },
  };

  function resultOf(router: string): RouterResult {
    const result = results.get(router);
    if (!result) throw new Error(`operation ${operation.id} is not on a router named ${router}`);
    return result;
  }

  function settle(router: string, result: ModelResult): void {
    put(router, result);
    progress(router, result);
  }

  function put(router: string, entry: RouterResult['models'][number]): void {
    const { models } = resultOf(router);
    const place = models.findIndex(({ model, result }) => model === entry.model && result === null);
    if (place >= 0) models[place] = entry;
    else models.push(entry);
  }

  /**
   * A pattern that matches on no router at all is most likely misspelt: silence would pass for success. Nobody
   * would read that of an automatic request, whose models may come and go.
   */
  function reportUnmatched(): void {
    if (isAutomatic(request.trigger)) return;
    const first = operation.routers.find(({ fault, refused }) => !fault && !refused);
    for (const pattern of request.selection.models) {
      if (!first || unmatched.some((patterns) => !patterns.includes(pattern))) continue;
      settle(first.router, { model: pattern, result: 'failed', detail: 'no model has this name' });
    }
  }

  /** So is the name of a router that is not followed. */
  function reportUnknown(known: readonly string[]): void {
    for (const router of request.routers) {
      if (known.includes(router)) continue;
      const message = `no router is named ${router}; there is ${known.join(', ') || 'none'}`;
      operation.routers.push({ router, models: [], fault: { kind: 'unknown_router', message } });
    }
  }

  function elapsed(): number {
    return Math.max(0, clock.now() - startedAt) / 1000;
  }
}
