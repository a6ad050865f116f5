import * as z from 'zod';
import { WHEN_BUSY } from '../config/when-busy.ts';
import { RUNNING } from '../models/feed.ts';
import { caller, TRIGGERS, type UnloadRequest } from './request.ts';

/**
 * The result for one model. `asked`: the router acknowledged the order, and the end was not waited for. `skipped`: not
 * loaded, because the reason to load it was gone before its turn.
 */
export const RESULTS = [
  'unloaded',
  'already_unloaded',
  'would_unload',
  'kept',
  'busy',
  'forced',
  'timeout',
  'failed',
  'asked',
  'loaded',
  'already_loaded',
  'would_load',
  'skipped',
] as const;

export type OperationResult = (typeof RESULTS)[number];

const model = z.string().meta({ description: 'The id of a model.' });

const modelResult = z
  .object({
    model,
    result: z.enum(RESULTS),
    seconds: z.number().exactOptional().meta({ description: 'From the order to its verified effect.' }),
    detail: z
      .string()
      .exactOptional()
      .meta({ description: 'Why it was kept or skipped, what else happened, or what went wrong.' }),
  })
  .meta({ id: 'ModelResult' });

export type ModelResult = z.infer<typeof modelResult>;

/** The result for a model that is known. */
export type Settled = Omit<ModelResult, 'model'>;

const pendingModel = z
  .object({
    model,
    result: z.null(),
    detail: z.string().exactOptional().meta({ description: 'What the operation is waiting for.' }),
  })
  .meta({ id: 'PendingModel', description: 'A model whose result is not known yet.' });

export type PendingModel = z.infer<typeof pendingModel>;

/** Why a request was not carried out. */
export const REFUSAL_REASONS = [
  'cooldown',
  'reload_loop',
  'in_progress',
  'held',
  'unauthorized',
  'not_matched',
  'malformed',
  'too_large',
  'media_type',
  'method',
  'rate_limited',
] as const;

export type RefusalReason = (typeof REFUSAL_REASONS)[number];

const refusal = z
  .object({
    reason: z.enum(['cooldown', 'reload_loop', 'in_progress', 'held'] satisfies RefusalReason[]),
    detail: z.string(),
    retry_after_seconds: z.number().exactOptional(),
  })
  .meta({ id: 'Refusal' });

/** Why an operation does nothing on one router now. */
export type Refusal = z.infer<typeof refusal>;

const inMemory = z
  .object({ router: z.string(), model, status: z.enum(RUNNING) })
  .meta({ id: 'ModelInMemory' });

const memoryChange = z
  .object({ before_bytes: z.number(), after_bytes: z.number(), freed_bytes: z.number() })
  .meta({ id: 'MemoryChange', description: "Of the GPU memory that the router's models can use." });

const routerResult = z
  .object({
    router: z.string(),
    models: z.array(z.union([modelResult, pendingModel])),
    memory: memoryChange.exactOptional().meta({ description: 'Where its memory is measured.' }),
    fault: z
      .object({ kind: z.string(), message: z.string() })
      .exactOptional()
      .meta({ description: 'Why nothing could be done on this router.' }),
    refused: refusal.exactOptional(),
  })
  .meta({ id: 'RouterResult' });

export type RouterResult = z.infer<typeof routerResult>;

export const OUTCOMES = ['success', 'partial', 'failed', 'noop', 'refused', 'dry_run'] as const;

export type Outcome = (typeof OUTCOMES)[number];

const summary = z
  .object({
    unloaded: z.number(),
    already_unloaded: z.number(),
    kept: z.number(),
    busy: z.number(),
    failed: z.number(),
    loaded: z.number().default(0),
    already_loaded: z.number().default(0),
    skipped: z.number().default(0),
  })
  .meta({ id: 'Summary', description: 'Number of models per result; forced unloads count as unloaded.' });

export type Summary = z.infer<typeof summary>;

/** What an operation does with models. */
export const ACTIONS = ['unload', 'load'] as const;

/** An operation, as the API, the state file, the audit file and `--output json` show it. */
export const operation = z
  .object({
    id: z.uuid(),
    action: z.enum(ACTIONS).default('unload'),
    trigger: z.enum(TRIGGERS),
    caller,
    reason: z.string(),
    when_busy: z.enum(WHEN_BUSY).exactOptional().meta({ description: 'Of an unload.' }),
    outcome: z.enum(OUTCOMES).nullable().meta({ description: 'Null while the operation is running.' }),
    dry_run: z.boolean(),
    started_at: z.iso.datetime(),
    duration_seconds: z.number().nonnegative().meta({ description: 'So far, while it is running.' }),
    routers: z.array(routerResult),
    summary,
    still_in_memory: z.array(inMemory).default([]).meta({
      description:
        'Models in memory on these routers at the end: kept, busy, or loaded by clients meanwhile.',
    }),
    unmatched_keep: z.array(z.string()).default([]).meta({
      description: 'Keep patterns of the request and the configuration that match no model.',
    }),
  })
  .meta({ id: 'Operation' });

export type Operation = z.infer<typeof operation>;

export function summarize(routers: readonly RouterResult[]): Summary {
  const results = routers.flatMap(({ models }) => models.map(({ result }) => result));
  const count = (...wanted: OperationResult[]) =>
    results.filter((result) => result !== null && wanted.includes(result)).length;
  return {
    unloaded: count('unloaded', 'forced', 'asked'),
    already_unloaded: count('already_unloaded'),
    kept: count('kept'),
    busy: count('busy'),
    failed: count('failed', 'timeout'),
    loaded: count('loaded'),
    already_loaded: count('already_loaded'),
    skipped: count('skipped'),
  };
}

/** The models that an operation unloaded on this router, including those whose end was not waited for. */
export function unloadedModels({ models }: RouterResult): string[] {
  return models.flatMap(({ model: id, result }) =>
    result === 'unloaded' || result === 'forced' || result === 'asked' ? [id] : [],
  );
}

/** Kind of the fault of a server that lists models without their status. */
export const NO_STATUSES = 'no_statuses';

/** Kinds of the fault of a router whose GPU memory is not measured, or that has no such GPU, although the selection needs it. */
const UNMEASURED: readonly string[] = ['unmeasured', 'unknown_gpu'];

/** Whether the operation failed only because its selection needs measured memory: a mistake in the request. */
export function needsMeasurement({ outcome, routers, summary }: Operation): boolean {
  if (outcome !== 'failed' || summary.busy + summary.failed > 0) return false;
  return routers.every(({ fault }) => fault && UNMEASURED.includes(fault.kind));
}

/**
 * The outcome of a finished operation. Faults, failed models and models that stayed busy although they were waited
 * for are misses; busy models that were to be skipped are not. A refusal on one router makes a success partial.
 */
export function outcomeOf(
  routers: readonly RouterResult[],
  { dryRun, whenBusy }: Pick<UnloadRequest, 'dryRun'> & Partial<Pick<UnloadRequest, 'whenBusy'>>,
): Outcome {
  if (dryRun) return 'dry_run';
  const { unloaded, loaded, busy, failed } = summarize(routers);
  const done = unloaded + loaded > 0;
  const missed = (whenBusy === 'skip' ? 0 : busy) + failed + routers.filter(({ fault }) => fault).length;
  const refused = routers.some((router) => router.refused);
  if (missed > 0) return done ? 'partial' : 'failed';
  if (refused) return done ? 'partial' : 'refused';
  return done ? 'success' : 'noop';
}
