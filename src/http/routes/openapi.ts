import type { Request, Response } from 'express';
import { openapi } from '../openapi/openapi.ts';

/** `GET /api/v1/openapi.json`: made when somebody asks, which most services never are. */
export function openapiRoute(version: string, telemetryPaths: readonly string[]) {
  let document: string | undefined;
  return (_request: Request, response: Response) => {
    document ??= JSON.stringify(openapi(version, telemetryPaths));
    response.type('json').send(document);
  };
}
