import type { NextFunction, Request, Response } from 'express';
import { z } from 'zod';
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

export function sendProblem(response: Response, { status, title, detail }: ProblemError['problem']): void {
  const body = JSON.stringify({ type: 'about:blank', title, status, detail });
  response.status(status).type('application/problem+json').send(body);
}

/** The last handler. */
export function notFound(request: Request, response: Response): void {
  const detail = `There is no route ${request.path}: see /api/v1/openapi.json.`;
  sendProblem(response, { status: 404, title: 'Not found', detail });
}

/** Answers methods that a path does not have. */
export function methodNotAllowed(...allowed: string[]) {
  return (request: Request, response: Response) => {
    response.set('Allow', allowed.join(', '));
    const detail = `${request.method} ${request.path}: use ${allowed.join(' or ')}.`;
    sendProblem(response, { status: 405, title: 'Method not allowed', detail });
  };
}

/** Express' error handler: problems as they are, errors of Express as 4xx, unexpected errors logged as 500. */
export function problemHandler(log: Logger) {
  // Express recognizes an error handler by its four parameters.
  return (error: unknown, request: Request, response: Response, _next: NextFunction) => {
    if (response.headersSent) return response.destroy();
    if (error instanceof ProblemError) return sendProblem(response, error.problem);
    if (error instanceof Error && 'status' in error) {
      const status = Number(error.status);
      if (status >= 400 && status < 500) return sendProblem(response, { status, title: error.message });
    }
    log.error('request failed', {
      method: request.method,
      path: request.path,
      error: error instanceof Error ? error.stack : String(error),
    });
    return sendProblem(response, { status: 500, title: 'Internal error', detail: 'See the log.' });
  };
}
