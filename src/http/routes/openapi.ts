import type { Request, Response } from 'express';
import { openapi } from '../openapi/openapi.ts';

/** `GET /api/v1/openapi.json`. */
export function openapiRoute(version: string, telemetryPaths: readonly string[]) {
  const document = JSON.stringify(openapi(version, telemetryPaths));
  return (_request: Request, response: Response) => {
    response.type('json').send(document);
  };
}
