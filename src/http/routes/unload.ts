import type { Request, Response } from 'express';
import type { z } from 'zod';
import { within } from '../../lib/clock.ts';
import { nearest } from '../../lib/nearest.ts';
import type { Store } from '../../models/store.ts';
import type { Started } from '../../unload/operations.ts';
import { needsMeasurement, type Outcome } from '../../unload/report.ts';
import type { UnloadRequest } from '../../unload/request.ts';
import { defaultTerms } from '../../unload/request.ts';
import { demandScope, permitOf } from '../auth/permit.ts';
import { namedRouter, parsed } from '../input.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import { requestOf, type UnloadBody } from './unload-body.ts';

/** `POST /api/v1/unload` and `/api/v1/unload-all`, by the schema of their bodies. */
export function unloadRoute(parts: AppParts, schema: z.ZodType<UnloadBody>) {
  const { store, activeConfig, clock } = parts;
  return async (request: Request, response: Response) => {
    const body = parsed(schema, request.body, 'Bad request');
    const config = activeConfig.current();
    const { caller } = permitOf(response);
    const wanted = requestOf(body, defaultTerms(config), { trigger: triggerOf(request), caller });
    for (const router of wanted.routers) namedRouter(store, router);
    demandScope(response, { routers: wanted.routers, dryRun: wanted.dryRun });
    await demandModels(parts, wanted);
    const started = startOrJoin(parts, wanted);
    const { wait = true } = body;
    const seconds = wait === true ? config.unload.answer_within : Number(wait);
    await within(seconds * 1000, started.done, clock);
    sendOperation(response, started);
  };
}

/** Starts an operation, or joins one that does the same and logs that. */
export function startOrJoin({ operations, activityLog }: AppParts, request: UnloadRequest): Started {
  const started = operations.start(request);
  if (started.joined) activityLog.joined(started, request);
  return started;
}

/** The page and the command line name themselves. Guards treat all three alike, so a wrong name gains nothing. */
function triggerOf(request: Request): 'api' | 'cli' | 'page' {
  const said = request.get('x-trigger');
  return said === 'cli' || said === 'page' ? said : 'api';
}

const ERROR_STATUS: Partial<Record<Outcome, number>> = { failed: 502, refused: 503 };

/** 202 while the operation runs; then its outcome as a status that `curl --fail` understands. */
function sendOperation(response: Response, { report }: Started): void {
  const operation = report();
  const { id, outcome, routers } = operation;
  response.location(`/api/v1/operations/${id}`);
  if (needsMeasurement(operation)) {
    const detail = `Nothing was unloaded. ${routers.map(({ router, fault }) => `${router}: ${fault?.message}`).join('; ')}.`;
    throw new ProblemError(409, 'GPU memory not measured', detail);
  }
  if (outcome === 'refused') {
    const waits = routers.map(({ refused }) => refused?.retry_after_seconds ?? 0);
    response.set('Retry-After', String(Math.max(1, ...waits)));
  }
  response.status(outcome === null ? 202 : (ERROR_STATUS[outcome] ?? 200)).json(operation);
}

/**
 * Throws a 404 for a plain name that no model has: most likely a typing error. A model may be new, so the routers are
 * listed before.
 */
async function demandModels({ operations, store }: AppParts, request: UnloadRequest): Promise<void> {
  if (unknownModel(store, request) === undefined) return;
  await operations.refresh(request.routers);
  const unknown = unknownModel(store, request);
  if (unknown === undefined) return;
  const { name, known, where } = unknown;
  const meant = nearest(name, known);
  const hint = meant === undefined ? '' : `: did you mean '${meant}'?`;
  const detail = `No model is named '${name}' on ${where}${hint}. Nothing was unloaded.`;
  throw new ProblemError(404, 'No such model', detail);
}

function unknownModel(store: Store, { routers, selection }: UnloadRequest) {
  const reached = store
    .routers()
    .filter(({ name, up }) => up && (routers.length === 0 || routers.includes(name)));
  if (reached.length === 0) return undefined;
  const known = reached.flatMap(({ models }) =>
    [...models.values()].flatMap(({ id, aliases }) => [id, ...aliases]),
  );
  const name = selection.models.find((name) => !/[*?]/.test(name) && !known.includes(name));
  return name === undefined ? undefined : { name, known, where: reached.map(({ name }) => name).join(', ') };
}
