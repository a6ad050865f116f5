import type { Request, Response } from 'express';
import { z } from 'zod';
import { parsed } from '../input.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';

const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).optional(),
  before: z.string().min(1).optional(),
});

/** `GET /api/v1/operations`: the newest first; at most `limit`, of those behind the id `before`. */
export function operationsRoute({ operations }: AppParts) {
  return (request: Request, response: Response) => {
    const { limit, before } = parsed(pageQuery, request.query, 'Bad query');
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
