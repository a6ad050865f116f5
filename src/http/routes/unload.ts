import type { Request, Response } from 'express';
import * as z from 'zod';
import { hintOf, inScope } from '../../load/places.ts';
import { modelNamed } from '../../models/router-state.ts';
import type { Store } from '../../models/store.ts';
import type { Started } from '../../unload/operation.ts';
import {
  defaultTerms,
  type Selection,
  targetOf,
  type UnloadRequest,
  type UnloadTerms,
} from '../../unload/request.ts';
import { demandScope, permitOf } from '../auth/permit.ts';
import { namedRouter, names, parsed } from '../input.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import {
  DAY,
  reasonField,
  seconds,
  sendOperation,
  triggerOf,
  waitField,
  whenBusyField,
} from './operation-answer.ts';

const common = {
  routers: names('Names of routers; all when absent or empty.').optional(),
  keep: names('Globs of models to keep, in addition to the configured ones.').optional(),
  when_busy: whenBusyField,
  busy_timeout_seconds: seconds(DAY, 'How long to wait for a busy model. Default: unload.busy_timeout.'),
  timeout_seconds: seconds(
    DAY,
    'How long a model may take to unload after the request. Default: unload.timeout.',
  ),
  wait: waitField,
  dry_run: z.boolean().optional().meta({ description: 'Report what would be unloaded; unload nothing.' }),
  reason: reasonField,
  hold_seconds: seconds(30 * DAY, 'Hold the memory of these routers for this time after the unload.'),
  idle_for_seconds: seconds(30 * DAY, 'Only models that have been idle for this time.'),
  gpus: names('GPUs.').min(1).optional().meta({
    description:
      'Only models with memory on one of these GPUs, by UUID, PCI address or index. 409 where that is not measured.',
  }),
  free_bytes: z.number().int().positive().optional().meta({
    description:
      'Unload only as many models as free these bytes on each router, the least recently used first.',
  }),
  until_ratio: z.number().min(0).max(1).optional().meta({
    description:
      'Unload only until this share of GPU memory is used. 409 where the memory of no router is measured.',
  }),
};

/** A body by its field `models`. */
const bodyOf = <Models extends z.ZodType>(id: string, models: Models, examples: object[]) =>
  z
    .strictObject({ models, ...common })
    .refine(({ free_bytes, until_ratio }) => free_bytes === undefined || until_ratio === undefined, {
      error: 'free_bytes and until_ratio exclude each other',
      path: ['until_ratio'],
    })
    // The same rule in JSON Schema.
    .meta({ id, not: { required: ['free_bytes', 'until_ratio'] }, examples });

/** The body of `POST /api/v1/unload`. */
export const unloadBody = bodyOf(
  'UnloadRequest',
  names('Globs on ids and aliases.').min(1).meta({ description: 'Globs on ids and aliases.' }),
  [{ models: ['qwen*'], reason: 'training job' }],
);

/** The body of `POST /api/v1/unload-all`. */
export const unloadAllBody = bodyOf(
  'UnloadAllRequest',
  names('Globs on ids and aliases; all models when absent or empty.').optional(),
  [{}, { keep: ['bge-*'], when_busy: 'skip', wait: 60 }],
);

export type UnloadBody = z.infer<typeof unloadAllBody>;

/** The request of a body; `terms` apply where the body is silent. */
export function requestOf(
  body: UnloadBody,
  terms: UnloadTerms,
  { trigger, caller }: Pick<UnloadRequest, 'trigger' | 'caller'>,
): UnloadRequest {
  return {
    trigger,
    caller,
    reason: body.reason ?? '',
    routers: body.routers ?? [],
    selection: selectionOf(body),
    whenBusy: body.when_busy ?? terms.whenBusy,
    busyTimeoutMs: milliseconds(body.busy_timeout_seconds) ?? terms.busyTimeoutMs,
    timeoutMs: milliseconds(body.timeout_seconds) ?? terms.timeoutMs,
    verify: terms.verify,
    dryRun: body.dry_run ?? terms.dryRun,
    holdMs: milliseconds(body.hold_seconds || undefined),
  };
}

function selectionOf(body: UnloadBody): Selection {
  const { models = [], keep = [], gpus, idle_for_seconds, free_bytes, until_ratio } = body;
  const idleForMs = milliseconds(idle_for_seconds);
  return { models, keep, idleForMs, gpus, target: targetOf(free_bytes, until_ratio) };
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

/** `POST /api/v1/unload` and `/api/v1/unload-all`, by the schema of their bodies. */
export function unloadRoute(parts: AppParts, schema: z.ZodType<UnloadBody>) {
  const { store, activeConfig } = parts;
  return async (request: Request, response: Response) => {
    const body = parsed(schema, request.body, 'Bad request');
    const { caller } = permitOf(response);
    const terms = defaultTerms(activeConfig.current());
    const wanted = requestOf(body, terms, { trigger: triggerOf(request), caller });
    for (const router of wanted.routers) namedRouter(store, router);
    demandScope(response, { routers: wanted.routers, dryRun: wanted.dryRun });
    await demandModels(parts, wanted);
    const started = startOrJoin(parts, wanted);
    await sendOperation(parts, response, started, body.wait);
  };
}

/** Starts an operation, or joins one that does the same and logs that. */
export function startOrJoin({ operations, activityLog }: AppParts, request: UnloadRequest): Started {
  const started = operations.start(request);
  if (started.joined) activityLog.joined(started, request);
  return started;
}

/**
 * Throws a 404 for a plain name that no model has: most likely a typing error. A model may be new, so the routers are
 * listed before.
 */
async function demandModels({ operations, store }: AppParts, request: UnloadRequest): Promise<void> {
  if (unknownModel(store, request) === undefined) return;
  await operations.refresh(request.routers);
  const unknown = unknownModel(store, request);
  if (unknown === undefined) return;
  const { name, reached } = unknown;
  const where = reached.map((router) => router.name).join(', ');
  const detail = `No model is named '${name}' on ${where}${hintOf(name, reached)}. Nothing was unloaded.`;
  throw new ProblemError(404, 'No such model', detail);
}

function unknownModel(store: Store, request: UnloadRequest) {
  const reached = inScope(store.routers(), request).filter(({ up }) => up);
  const isKnown = (name: string) => reached.some(({ models }) => modelNamed(models, name));
  const name = request.selection.models.find((each) => !/[*?]/.test(each) && !isKnown(each));
  return name === undefined || reached.length === 0 ? undefined : { name, reached };
}
