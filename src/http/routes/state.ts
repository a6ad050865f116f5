import type { Request } from 'express';
import * as z from 'zod';
import { STATUSES } from '../../models/feed.ts';
import { numberInQuery, parsed } from '../input.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import { viewMemory, viewModels, viewRouter } from '../views.ts';

const modelsQuery = z.strictObject({ router: z.string().optional(), status: z.enum(STATUSES).optional() });

const operationsQuery = z.strictObject({
  limit: numberInQuery.pipe(z.number().int().min(1)).optional(),
  before: z.string().min(1).optional(),
});

/** The reads of the observed state and of operations: what each path answers, as JSON. */
export function stateAnswers({ store, memory, operations, clock }: AppParts) {
  return {
    '/api/v1/routers': () => ({ routers: store.routers().map((router) => viewRouter(router, clock)) }),
    /** Optionally of one `router` or in one `status`. */
    '/api/v1/models': ({ query }: Request) => {
      const { router, status } = parsed(modelsQuery, query, 'Bad query');
      const models = store
        .routers()
        .filter(({ name }) => router === undefined || name === router)
        .flatMap((each) => viewModels(each, clock))
        .filter((model) => status === undefined || model.status === status);
      return { models };
    },
    '/api/v1/memory': () => viewMemory(memory.reading(), clock),
    /** The newest first; at most `limit`, of those behind the id `before`. */
    '/api/v1/operations': ({ query }: Request) => {
      const { limit, before } = parsed(operationsQuery, query, 'Bad query');
      const all = operations.list();
      const start = before === undefined ? 0 : all.findIndex(({ id }) => id === before) + 1;
      if (before !== undefined && start === 0) throw unknownOperation();
      return { operations: all.slice(start, limit && start + limit) };
    },
    '/api/v1/operations/:id': ({ params }: Request) => {
      const operation = operations.get(String(params.id));
      if (operation === undefined) throw unknownOperation();
      return operation;
    },
  };
}

function unknownOperation(): ProblemError {
  const detail = 'The exporter remembers the last hundred operations: see /api/v1/operations.';
  return new ProblemError(404, 'No such operation', detail);
}
