import { z } from 'zod';
import { WHEN_BUSY } from '../config/when-busy.ts';
import { reasonText, type Selection, type UnloadRequest } from '../unload/request.ts';
import { LONGEST_LIST } from './parsed.ts';

/** No file has a longer one, nor has a model of a hub; a report holds each that fits nothing. */
const LONGEST_NAME = 255;
const DAY = 86_400;

/** A list of names or globs. */
export const names = (description: string) =>
  z.array(z.string().min(1).max(LONGEST_NAME)).max(LONGEST_LIST).meta({ description });

const seconds = (most: number, description: string) =>
  z.number().min(0).max(most).optional().meta({ description });

const common = {
  routers: names('Names of routers; all when absent or empty.').optional(),
  keep: names(
    'Globs of models to leave alone, whatever else matches; what is configured is kept as well.',
  ).optional(),
  when_busy: z.enum(WHEN_BUSY).optional().meta({
    description: 'What happens to a model that is generating or loading. Default: unload.when_busy.',
  }),
  busy_timeout_seconds: seconds(DAY, 'How long a busy model is waited for. Default: unload.busy_timeout.'),
  timeout_seconds: seconds(
    DAY,
    'How long a model may take to be gone, once ordered. Default: unload.timeout.',
  ),
  wait: z
    .union([z.boolean(), z.number().min(0).max(300)])
    .optional()
    .meta({
      description:
        'When the answer comes: true (default) when all is done, at the latest after unload.answer_within; ' +
        'false at once; a number at the latest after so many seconds. What is under way then goes on.',
    }),
  dry_run: z.boolean().optional().meta({ description: 'Tell what would be unloaded, and touch nothing.' }),
  reason: reasonText.optional().meta({ description: 'The reason, for the report, the page and the audit.' }),
  hold_seconds: seconds(30 * DAY, 'Keep the memory of these routers free for so long afterwards.'),
  idle_for_seconds: seconds(30 * DAY, 'Only models that have served nothing for so long.'),
  free_bytes: z.number().int().positive().optional().meta({
    description: 'Unload as few models as free so many bytes on each router, the least missed first.',
  }),
  until_ratio: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .meta({ description: 'The same, until so much of the GPU memory is used; only where it is measured.' }),
};

const oneTarget = (body: { free_bytes?: unknown; until_ratio?: unknown }) =>
  body.free_bytes === undefined || body.until_ratio === undefined;
/** The same in the words of JSON Schema, which cannot hold a function. */
const NOT_TWO_TARGETS = { not: { required: ['free_bytes', 'until_ratio'] } };
const ONE_TARGET = {
  error: 'free_bytes and until_ratio are two ways to say how much: keep one',
  path: ['until_ratio'],
};

/** The body of `POST /api/v1/unload`: named models. */
export const unloadBody = z
  .strictObject({
    models: names('Globs on ids and aliases.').min(1).meta({ description: 'Globs on ids and aliases.' }),
    ...common,
  })
  .refine(oneTarget, ONE_TARGET)
  .meta({
    id: 'UnloadRequest',
    ...NOT_TWO_TARGETS,
    examples: [{ models: ['qwen*'], reason: 'training job' }],
  });

/** The body of `POST /api/v1/unload-all`: everything, or what matches. */
export const unloadAllBody = z
  .strictObject({
    models: names('Globs on ids and aliases; every model when absent or empty.').optional(),
    ...common,
  })
  .refine(oneTarget, ONE_TARGET)
  .meta({
    id: 'UnloadAllRequest',
    ...NOT_TWO_TARGETS,
    examples: [{}, { keep: ['bge-*'], when_busy: 'skip', wait: 60 }],
  });

export type UnloadBody = z.infer<typeof unloadAllBody>;

type Terms = Pick<UnloadRequest, 'whenBusy' | 'busyTimeoutMs' | 'timeoutMs' | 'verify' | 'dryRun'>;

/** What a body asks for, where it is silent by `terms`. */
export function requestOf(
  body: UnloadBody,
  terms: Terms,
  { trigger, caller }: Pick<UnloadRequest, 'trigger' | 'caller'>,
): UnloadRequest {
  const { busy_timeout_seconds, timeout_seconds, hold_seconds } = body;
  return {
    trigger,
    caller,
    reason: body.reason ?? '',
    routers: body.routers ?? [],
    selection: selectionOf(body),
    whenBusy: body.when_busy ?? terms.whenBusy,
    busyTimeoutMs: busy_timeout_seconds === undefined ? terms.busyTimeoutMs : busy_timeout_seconds * 1000,
    timeoutMs: timeout_seconds === undefined ? terms.timeoutMs : timeout_seconds * 1000,
    verify: terms.verify,
    dryRun: body.dry_run ?? terms.dryRun,
    ...(hold_seconds !== undefined && hold_seconds > 0 && { holdMs: hold_seconds * 1000 }),
  };
}

function selectionOf({ models, keep, idle_for_seconds, free_bytes, until_ratio }: UnloadBody): Selection {
  return {
    models: models ?? [],
    keep: keep ?? [],
    ...(idle_for_seconds !== undefined && { idleForMs: idle_for_seconds * 1000 }),
    ...(free_bytes !== undefined && { target: { freeBytes: free_bytes } }),
    ...(until_ratio !== undefined && { target: { untilRatio: until_ratio } }),
  };
}
