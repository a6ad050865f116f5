import type { Request, Response } from 'express';
import * as z from 'zod';
import { objectionToPlaces } from '../../load/places.ts';
import type { LoadRequest } from '../../unload/request.ts';
import { demandScope, permitOf } from '../auth/permit.ts';
import { namedRouter, names, parsed } from '../input.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import { DAY, reasonField, seconds, sendOperation, triggerOf, waitField } from './operation-answer.ts';

/** The body of `POST /api/v1/load`. */
export const loadBody = z
  .strictObject({
    models: names('Ids or aliases, in the order in which they are loaded.').min(1),
    routers: names('Names of routers. Default: the router that has the model.').optional(),
    timeout_seconds: seconds(DAY, 'How long each model may take until it is loaded. Default: load.timeout.'),
    wait: waitField,
    dry_run: z.boolean().optional().describe('Report what would be loaded and evicted; load nothing.'),
    reason: reasonField,
    hold: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .describe('The id of a hold: the models are loaded for its holder, so it is no obstacle.'),
  })
  .meta({ id: 'LoadRequest', examples: [{ models: ['qwen'], wait: 60 }] });

export type LoadBody = z.infer<typeof loadBody>;

/** The request of a body; `timeout`, in seconds, applies where the body is silent. */
export function loadRequestOf(
  body: LoadBody,
  timeout: number,
  { trigger, caller }: Pick<LoadRequest, 'trigger' | 'caller'>,
): LoadRequest {
  return {
    trigger,
    caller,
    reason: body.reason ?? '',
    routers: body.routers ?? [],
    models: body.models,
    timeoutMs: (body.timeout_seconds ?? timeout) * 1000,
    dryRun: body.dry_run ?? false,
    hold: body.hold,
  };
}

/** `POST /api/v1/load`: loads models and waits until they are loaded. */
export function loadRoute(parts: AppParts) {
  const { store, loads, activeConfig } = parts;
  return async (request: Request, response: Response) => {
    const body = parsed(loadBody, request.body, 'Bad load');
    const { caller } = permitOf(response);
    const { timeout } = activeConfig.current().load;
    const wanted = loadRequestOf(body, timeout, { trigger: triggerOf(request), caller });
    for (const router of wanted.routers) namedRouter(store, router);
    demandScope(response, { routers: wanted.routers, dryRun: wanted.dryRun });
    await demandPlaces(parts, wanted);
    const started = loads.start(wanted);
    await sendOperation(parts, response, started, body.wait);
  };
}

const OBJECTIONS = {
  unknown: [404, 'No such model'],
  ambiguous: [400, 'Which router?'],
  unsupported: [409, 'No order to load'],
} as const;

/**
 * Throws a 404 for a name that no model has, a 400 for one on several routers where none is named, and a 409 where the
 * server loads none on order. A model may be new, so the routers are listed before.
 */
async function demandPlaces({ operations, store }: AppParts, request: LoadRequest): Promise<void> {
  if (objectionToPlaces(store.routers(), request)?.kind === 'unknown')
    await operations.refresh(request.routers);
  const objection = objectionToPlaces(store.routers(), request);
  if (objection === undefined) return;
  const { kind, detail } = objection;
  const [status, title] = OBJECTIONS[kind];
  throw new ProblemError(status, title, `${detail} Nothing was loaded.`);
}
