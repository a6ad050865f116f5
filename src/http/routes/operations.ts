import type { Request, Response } from 'express';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';

/** `GET /api/v1/operations`: the newest first. */
export function operationsRoute({ operations }: AppParts) {
  return (_request: Request, response: Response) => {
    response.json({ operations: operations.list() });
  };
}

/** `GET /api/v1/operations/:id`. */
export function operationRoute({ operations }: AppParts) {
  return (request: Request, response: Response) => {
    const operation = operations.get(String(request.params.id));
    if (operation) return void response.json(operation);
    throw new ProblemError({
      status: 404,
      title: 'No such operation',
      detail: 'The exporter remembers the last hundred operations: see /api/v1/operations.',
    });
  };
}
