import type { Request, Response } from 'express';
import { openapi } from '../openapi.ts';

/** `GET /api/v1/openapi.json`. */
export function openapiRoute(version: string) {
  const document = JSON.stringify(openapi(version));
  return (_request: Request, response: Response) => {
    response.type('json').send(document);
  };
}
