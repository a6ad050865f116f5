import type { Request, Response } from 'express';
import type { Caller } from '../../unload/request.ts';
import { demandScope, permitOf } from '../auth/permit.ts';
import { sendProblem } from '../problem.ts';

/**
 * `POST /-/reload`: reads the configuration anew; what is wrong with it keeps the old one in force. Not for tokens
 * that are limited.
 */
export function reloadRoute(reload: (caller: Caller) => Promise<{ error?: string }>) {
  return async (_request: Request, response: Response) => {
    demandScope(response, { routers: [], dryRun: false });
    const { error } = await reload(permitOf(response).caller);
    if (error === undefined) response.type('text/plain').send('Configuration reloaded.\n');
    else sendProblem(response, { status: 400, title: 'Configuration not reloaded', detail: error });
  };
}
