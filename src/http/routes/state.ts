import type { Request, Response } from 'express';
import * as z from 'zod';
import { STATUSES } from '../../models/feed.ts';
import { numberInQuery, parsed } from '../input.ts';
import { viewMemory } from '../memory-view.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import { viewModels, viewRouter } from '../views.ts';

const modelsQuery = z.strictObject({ router: z.string().optional(), status: z.enum(STATUSES).optional() });

/** `GET /api/v1/routers`. */
export function routersRoute({ store, clock }: AppParts) {
  return (_request: Request, response: Response) => {
    response.json({ routers: store.routers().map((router) => viewRouter(router, clock)) });
  };
}

/** `GET /api/v1/models`, optionally of one `router` or in one `status`. */
export function modelsRoute({ store, clock }: AppParts) {
  return (request: Request, response: Response) => {
    const { router, status } = parsed(modelsQuery, request.query, 'Bad query');
    const models = store
      .routers()
      .filter(({ name }) => router === undefined || name === router)
      .flatMap((each) => viewModels(each, clock))
      .filter((model) => status === undefined || model.status === status);
    response.json({ models });
  };
}

/** `GET /api/v1/memory`: the last measurement of this machine. */
export function memoryRoute({ memory, clock }: AppParts) {
  return (_request: Request, response: Response) => {
    response.json(viewMemory(memory.reading(), clock));
  };
}

const operationsQuery = z.strictObject({
  limit: numberInQuery.pipe(z.number().int().min(1)).optional(),
  before: z.string().min(1).optional(),
});

/** `GET /api/v1/operations`: the newest first; at most `limit`, of those behind the id `before`. */
export function operationsRoute({ operations }: AppParts) {
  return (request: Request, response: Response) => {
    const { limit, before } = parsed(operationsQuery, request.query, 'Bad query');
    const all = operations.list();
    const start = before === undefined ? 0 : all.findIndex(({ id }) => id === before) + 1;
    if (before !== undefined && start === 0) throw unknownOperation();
    response.json({ operations: all.slice(start, limit && start + limit) });
  };
}

/** `GET /api/v1/operations/:id`. */
export function operationRoute({ operations }: AppParts) {
  return (request: Request, response: Response) => {
    const operation = operations.get(String(request.params.id));
    if (operation === undefined) throw unknownOperation();
    response.json(operation);
  };
}

function unknownOperation(): ProblemError {
  const detail = 'The exporter remembers the last hundred operations: see /api/v1/operations.';
  return new ProblemError(404, 'No such operation', detail);
}
