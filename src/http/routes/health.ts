import type { Request, Response } from 'express';
import { sendProblem } from '../problem.ts';

/** `GET /-/healthy`: this process answers. A dead router does not make us unhealthy. */
export function healthyRoute(_request: Request, response: Response): void {
  response.type('text/plain').send('llama-router-exporter is healthy.\n');
}

/** `GET /-/ready`: every router has been asked once, and we are not shutting down. */
export function readyRoute(isReady: () => boolean) {
  return (_request: Request, response: Response) => {
    if (isReady()) response.type('text/plain').send('llama-router-exporter is ready.\n');
    else sendProblem(response, { status: 503, title: 'Not ready', detail: 'Starting, or shutting down.' });
  };
}
