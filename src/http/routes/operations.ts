import type { Request, Response } from 'express';
import type { Operations } from '../../unload/operations.ts';
import { ProblemError } from '../problem.ts';

/** `GET /api/v1/operations`: what is under way and the last ones that ended, the newest first. */
export function operationsRoute(operations: Operations) {
  return (_request: Request, response: Response) => {
    response.json({ operations: operations.list() });
  };
}

/** `GET /api/v1/operations/:id`. */
export function operationRoute(operations: Operations) {
  return (request: Request, response: Response) => {
    const operation = operations.get(String(request.params.id));
    if (operation) return void response.json(operation);
    throw new ProblemError({
      status: 404,
      title: 'No such operation',
      detail: 'It never was, or is no longer among the last hundred. See /api/v1/operations.',
    });
  };
}
