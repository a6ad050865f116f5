import type { Request, Response } from 'express';
import { z } from 'zod';
import { within } from '../../lib/clock.ts';
import { hintOf, inScope, placesOf } from '../../load/places.ts';
import type { LoadRequest } from '../../load/request.ts';
import { reasonText } from '../../unload/request.ts';
import { demandScope, permitOf } from '../auth/permit.ts';
import { namedRouter, names, parsed } from '../input.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import { DAY, seconds, sendOperation, triggerOf, waitField, waitSeconds } from './operation-answer.ts';

/** The body of `POST /api/v1/load`. */
export const loadBody = z
  .strictObject({
    models: names('Ids or aliases, in the order in which they are loaded.').min(1),
    routers: names('Names of routers. Default: the router that has the model.').optional(),
    timeout_seconds: seconds(DAY, 'How long each model may take until it is loaded. Default: load.timeout.'),
    wait: waitField,
    dry_run: z
      .boolean()
      .optional()
      .meta({ description: 'Report what would be loaded and evicted; load nothing.' }),
    reason: reasonText
      .optional()
      .meta({ description: 'The reason, for the report, the page and the audit.' }),
    hold: z.string().min(1).max(64).optional().meta({
      description: 'The id of a hold: the models are loaded for its holder, so it is no obstacle.',
    }),
  })
  .meta({ id: 'LoadRequest', examples: [{ models: ['qwen'], wait: 60 }] });

/** `POST /api/v1/load`: loads models and waits until they are loaded. */
export function loadRoute(parts: AppParts) {
  const { store, loads, activeConfig, clock } = parts;
  return async (request: Request, response: Response) => {
    const body = parsed(loadBody, request.body, 'Bad load');
    const { load, unload } = activeConfig.current();
    const wanted: LoadRequest = {
      trigger: triggerOf(request),
      caller: permitOf(response).caller,
      reason: body.reason ?? '',
      routers: body.routers ?? [],
      models: body.models,
      timeoutMs: (body.timeout_seconds ?? load.timeout) * 1000,
      dryRun: body.dry_run ?? false,
      hold: body.hold,
    };
    for (const router of wanted.routers) namedRouter(store, router);
    demandScope(response, { routers: wanted.routers, dryRun: wanted.dryRun });
    await demandPlaces(parts, wanted);
    const started = loads.start(wanted);
    await within(waitSeconds(body.wait, unload.answer_within) * 1000, started.done, clock);
    sendOperation(response, started);
  };
}

/**
 * Throws a 404 for a name that no model has, and a 400 for one on several routers where none is named. A model may be
 * new, so the routers are listed before.
 */
async function demandPlaces({ operations, store }: AppParts, request: LoadRequest): Promise<void> {
  if (placesOf(store.routers(), request).unknown.length > 0) await operations.refresh(request.routers);
  const { unknown, ambiguous } = placesOf(store.routers(), request);
  const scope = inScope(store.routers(), request);
  const [first] = ambiguous;
  if (first) {
    const detail = `${first.model} is a model of ${first.routers.join(' and ')}: name one or more of them in routers. Nothing was loaded.`;
    throw new ProblemError(400, 'Which router?', detail);
  }
  const [name] = unknown;
  // A router that is down may have it: the report says that it is down.
  if (name === undefined || scope.some(({ up }) => !up)) return;
  const where = scope.map((router) => router.name).join(', ') || 'any router, because there is none';
  const detail = `No model is named '${name}' on ${where}${hintOf(name, scope) || '.'} Nothing was loaded.`;
  throw new ProblemError(404, 'No such model', detail);
}
