import type { Request, Response } from 'express';
import type { z } from 'zod';
import { nearest } from '../../lib/nearest.ts';
import type { Store } from '../../models/store.ts';
import type { Operations, Started } from '../../unload/operations.ts';
import { needsMeasurement } from '../../unload/report.ts';
import type { UnloadRequest } from '../../unload/request.ts';
import { demandScope, permitOf } from '../auth/permit.ts';
import { namedRouter } from '../named-router.ts';
import { parsed } from '../parsed.ts';
import { ProblemError } from '../problem.ts';
import { requestOf, type UnloadBody } from '../unload-body.ts';

/** What the routes that unload are made of. */
export interface UnloadParts {
  store: Store;
  operations: Operations;
  /** What a request asks for when it does not say, and when one that waits is answered at the latest. */
  terms(): Pick<UnloadRequest, 'whenBusy' | 'busyTimeoutMs' | 'timeoutMs' | 'verify' | 'dryRun'> & {
    answerWithinMs: number;
  };
  /** Told of everybody who asked for what was under way already. */
  joined(started: Started, request: UnloadRequest): void;
  /** Resolves after so long, or when the work is done. */
  within(ms: number, work: Promise<unknown>): Promise<void>;
}

/** `POST /api/v1/unload` and `/api/v1/unload-all`, by the schema of their bodies. */
export function unloadRoute(parts: UnloadParts, schema: z.ZodType<UnloadBody>) {
  const { store, operations, terms, joined, within } = parts;
  return async (request: Request, response: Response) => {
    const body = parsed(schema, request.body, 'Bad request');
    const { caller } = permitOf(response);
    const { answerWithinMs, ...silent } = terms();
    const wanted = requestOf(body, silent, { trigger: triggerOf(request), caller });
    for (const router of wanted.routers) namedRouter(store, router);
    demandScope(response, { routers: wanted.routers, dryRun: wanted.dryRun });
    demandModels(store, wanted);
    const started = operations.start(wanted);
    if (started.joined) joined(started, wanted);
    await within(waitOf(body.wait, answerWithinMs), started.done);
    sendOperation(response, started);
  };
}

/** Our own page and command say that it was them; all are persons who ask, so that nothing hangs on it. */
function triggerOf(request: Request): 'api' | 'cli' | 'page' {
  const said = request.get('x-trigger');
  return said === 'cli' || said === 'page' ? said : 'api';
}

function waitOf(wait: UnloadBody['wait'], answerWithinMs: number): number {
  if (typeof wait === 'number') return wait * 1000;
  return wait === false ? 0 : answerWithinMs;
}

/** 202 and where to look while it is under way; else what it came to, which `curl --fail` can tell too. */
function sendOperation(response: Response, { report }: Started): void {
  const operation = report();
  const { id, outcome, routers } = operation;
  response.location(`/api/v1/operations/${id}`);
  if (needsMeasurement(operation)) {
    const detail = `Nothing was unloaded. ${routers.map(({ router, fault }) => `${router}: ${fault?.message}`).join('; ')}.`;
    throw new ProblemError({ status: 409, title: 'GPU memory not measured', detail });
  }
  if (outcome === 'refused') {
    const waits = routers.map(({ refused }) => refused?.retry_after_seconds ?? 0);
    response.set('Retry-After', String(Math.max(1, ...waits)));
  }
  response.status(statusOf(outcome)).json(operation);
}

function statusOf(outcome: ReturnType<Started['report']>['outcome']): number {
  switch (outcome) {
    case null:
      return 202;
    case 'failed':
      return 502;
    case 'refused':
      return 503;
    default:
      return 200;
  }
}

/** A plain name that no model has is a slip of the pen: it is told before anything is unloaded. */
function demandModels(store: Store, { routers, selection }: UnloadRequest): void {
  const reached = store
    .routers()
    .filter(({ name, up }) => up && (routers.length === 0 || routers.includes(name)));
  if (reached.length === 0) return;
  const known = reached.flatMap(({ models }) =>
    [...models.values()].flatMap(({ id, aliases }) => [id, ...aliases]),
  );
  const unknown = selection.models.find((name) => !/[*?]/.test(name) && !known.includes(name));
  if (unknown === undefined) return;
  const meant = nearest(unknown, known);
  const where = reached.map(({ name }) => name).join(', ');
  throw new ProblemError({
    status: 404,
    title: 'No such model',
    detail: `No model is named '${unknown}' on ${where}${meant === undefined ? '' : `: did you mean '${meant}'?`}. Nothing was unloaded.`,
  });
}
