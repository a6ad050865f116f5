import type { Request, Response } from 'express';
import { demandScope, permitOf } from '../auth/permit.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';

/** `GET /-/healthy`: this process answers, in any state of its routers. */
export function healthyRoute(_request: Request, response: Response): void {
  response.type('text/plain').send('llama-router-exporter is healthy.\n');
}

/** `GET /-/ready`. */
export function readyRoute({ isReady }: AppParts) {
  return (_request: Request, response: Response) => {
    if (!isReady()) throw new ProblemError(503, 'Not ready', 'Starting or shutting down.');
    response.type('text/plain').send('llama-router-exporter is ready.\n');
  };
}

/** `POST /-/reload`: loads the configuration again. Tokens with a limited scope may not. */
export function reloadRoute({ activeConfig, activityLog }: AppParts) {
  return async (_request: Request, response: Response) => {
    demandScope(response, { routers: [], dryRun: false });
    const { error } = await activeConfig.reload();
    activityLog.reloaded(permitOf(response).caller, error);
    if (error !== undefined) throw new ProblemError(400, 'Configuration not reloaded', error);
    response.type('text/plain').send('Configuration reloaded.\n');
  };
}

/** `GET /api/v1/openapi.json`, built at the first request: few ask for it, and its parts take 1 MB. */
export function openapiRoute({ version, scrapes }: AppParts) {
  let document: string | undefined;
  return async (_request: Request, response: Response) => {
    const { openapi } = await import('../openapi/openapi.ts');
    document ??= JSON.stringify(openapi(version, [...scrapes.keys()]));
    response.type('application/json').send(document);
  };
}
