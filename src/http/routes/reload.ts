import type { Request, Response } from 'express';
import { sendProblem } from '../problem.ts';

/** `POST /-/reload`: reads the configuration anew; what is wrong with it keeps the old one in force. */
export function reloadRoute(reload: () => Promise<{ error?: string }>) {
  return async (_request: Request, response: Response) => {
    const { error } = await reload();
    if (error === undefined) response.type('text/plain').send('Configuration reloaded.\n');
    else sendProblem(response, { status: 400, title: 'Configuration not reloaded', detail: error });
  };
}
