import type { Request, Response } from 'express';
import { z } from 'zod';
import { STATUSES } from '../../models/status.ts';
import { parsed } from '../input.ts';
import type { AppParts } from '../parts.ts';
import { viewModels, viewRouter } from '../views.ts';

const modelsQuery = z.strictObject({ router: z.string().optional(), status: z.enum(STATUSES).optional() });

/** `GET /api/v1/routers`. */
export function routersRoute({ store, clock }: AppParts) {
  return (_request: Request, response: Response) => {
    response.json({ routers: store.routers().map((router) => viewRouter(router, clock)) });
  };
}

/** `GET /api/v1/models`, optionally of one `router` or in one `status`. */
export function modelsRoute({ store, clock }: AppParts) {
  return (request: Request, response: Response) => {
    const { router, status } = parsed(modelsQuery, request.query, 'Bad query');
    const models = store
      .routers()
      .filter(({ name }) => router === undefined || name === router)
      .flatMap((each) => viewModels(each, clock))
      .filter((model) => status === undefined || model.status === status);
    response.json({ models });
  };
}
