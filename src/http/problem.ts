import type { NextFunction, Request, Response } from 'express';
import * as z from 'zod';
import type { Logger } from '../lib/logger.ts';

/** An error response as in RFC 9457. */
export const problem = z
  .object({
    type: z.literal('about:blank').exactOptional(),
    title: z.string(),
    status: z.number(),
    detail: z.string().exactOptional().meta({ description: 'What is wrong and what to do.' }),
  })
  .meta({ id: 'Problem' });

/** Thrown by a route to answer with a problem. */
export class ProblemError extends Error {
  readonly problem: { status: number; title: string; detail?: string | undefined };

  constructor(status: number, title: string, detail?: string) {
    super(title);
    this.problem = { status, title, detail };
  }
}

/** The last handler. */
export function notFound({ path }: Request): never {
  throw new ProblemError(404, 'Not found', `There is no route ${path}: see /api/v1/openapi.json.`);
}

/** Answers methods that a path does not have. */
export function methodNotAllowed(...allowed: string[]) {
  return ({ method, path }: Request, response: Response) => {
    response.set('Allow', allowed.join(', '));
    throw new ProblemError(405, 'Method not allowed', `${method} ${path}: use ${allowed.join(' or ')}.`);
  };
}

/** Express' error handler: problems as they are, errors of Express as 4xx, unexpected errors logged as 500. */
export function problemHandler(log: Logger) {
  // Express recognizes an error handler by its four parameters.
  return (error: unknown, { method, path }: Request, response: Response, _next: NextFunction) => {
    if (response.headersSent) return void response.destroy();
    const { status, title, detail } = problemOf(error);
    if (status === 500) {
      log.error('request failed', {
        method,
        path,
        error: error instanceof Error ? error.stack : String(error),
      });
    }
    const body = JSON.stringify({ type: 'about:blank', title, status, detail });
    response.status(status).type('application/problem+json').send(body);
  };
}

/** The problem that answers a request which failed with this error. */
export function problemOf(error: unknown): ProblemError['problem'] {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof Error && 'status' in error) {
    const status = Number(error.status);
    if (status >= 400 && status < 500) return { status, title: error.message };
  }
  return { status: 500, title: 'Internal error', detail: 'See the log.' };
}
