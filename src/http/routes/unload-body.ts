import { z } from 'zod';
import { WHEN_BUSY } from '../../config/when-busy.ts';
import { reasonText, type Selection, type UnloadRequest, type UnloadTerms } from '../../unload/request.ts';
import { names } from '../input.ts';

const DAY = 86_400;

const seconds = (most: number, description: string) =>
  z.number().min(0).max(most).optional().meta({ description });

const common = {
  routers: names('Names of routers; all when absent or empty.').optional(),
  keep: names('Globs of models to keep, in addition to the configured ones.').optional(),
  when_busy: z.enum(WHEN_BUSY).optional().meta({
    description: 'What to do with a model that is generating or loading. Default: unload.when_busy.',
  }),
  busy_timeout_seconds: seconds(DAY, 'How long to wait for a busy model. Default: unload.busy_timeout.'),
  timeout_seconds: seconds(
    DAY,
    'How long a model may take to unload after the request. Default: unload.timeout.',
  ),
  wait: z
    .union([z.boolean(), z.number().min(0).max(300)])
    .optional()
    .meta({
      description:
        'When to answer: true (default) when the operation has finished, after unload.answer_within at the latest; ' +
        'false at once; a number after this many seconds at the latest. The operation continues after the answer.',
    }),
  dry_run: z.boolean().optional().meta({ description: 'Report what would be unloaded; unload nothing.' }),
  reason: reasonText.optional().meta({ description: 'The reason, for the report, the page and the audit.' }),
  hold_seconds: seconds(30 * DAY, 'Hold the memory of these routers for this time after the unload.'),
  idle_for_seconds: seconds(30 * DAY, 'Only models that have been idle for this time.'),
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

function selectionOf({ models, keep, idle_for_seconds, free_bytes, until_ratio }: UnloadBody): Selection {
  const selection: Selection = {
    models: models ?? [],
    keep: keep ?? [],
    idleForMs: milliseconds(idle_for_seconds),
  };
  if (free_bytes !== undefined) selection.target = { freeBytes: free_bytes };
  if (until_ratio !== undefined) selection.target = { untilRatio: until_ratio };
  return selection;
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}
