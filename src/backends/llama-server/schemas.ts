import * as z from 'zod';
import { parseJson } from '../../lib/parse-json.ts';
import {
  type ListedModel,
  type Listing,
  type ModelFacts,
  type RouterEvent,
  type RouterProps,
  STATUSES,
  type Status,
} from '../../models/feed.ts';

/**
 * Payloads of the router, parsed loosely: they grow fields, and builds differ. What is not understood about a model is
 * left out; only a model without a name is malformed.
 */
const text = z.string().optional().catch(undefined);
/** Half a surrogate pair cannot be written as UTF-8: two such ids would become one series. */
const modelName = z
  .string()
  .min(1)
  .refine((value) => !/\p{Surrogate}/u.test(value));
const count = z.number().nonnegative().optional().catch(undefined);
const flag = z.boolean().optional().catch(undefined);
const exitCode = z.number().int().optional().catch(undefined);
const meta = z
  .object({ n_params: count, size: count, n_ctx: count, ftype: text })
  .optional()
  .catch(undefined);

const statusObject = z.object({
  value: text,
  args: z.array(z.string()).optional().catch(undefined),
  failed: flag,
  exit_code: exitCode,
});
/** An object; a plain string on some builds, absent on similar servers. */
const statusSchema = z
  .preprocess((value) => (typeof value === 'string' ? { value } : value), statusObject)
  .catch({});

const modelSchema = z
  .object({
    id: modelName.optional().catch(undefined),
    name: modelName.optional().catch(undefined),
    aliases: z.array(z.string()).catch([]),
    status: statusSchema,
    source: text,
    context_length: count,
    meta,
  })
  .refine(({ id, name }) => id ?? name, 'it has neither a usable "id" nor "name"');

const listingSchema = z.object({ data: z.array(z.unknown()) });

const propsSchema = z.object({
  role: text,
  max_instances: count,
  models_autoload: flag,
  build_info: text,
});

const eventSchema = z.object({
  model: modelName,
  event: z.string(),
  data: z
    .object({
      status: text,
      exit_code: exitCode,
      progress: z.unknown().optional(),
      info: z.object({ meta }).optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});

const loadingProgress = z.object({ value: z.number().min(0).max(1) });
const bytes = z.number().nonnegative();
const downloadProgress = z.record(z.string(), z.object({ done: bytes, total: bytes }));

/** Parses a `GET /models` body; undefined when it is no list of models. */
export function parseListing(body: unknown): Listing | undefined {
  const listing = listingSchema.safeParse(body);
  if (!listing.success) return undefined;
  const models = new Map<string, ListedModel>();
  const malformed: string[] = [];
  listing.data.data.forEach((entry, index) => {
    const model = parseModel(entry);
    if (typeof model === 'string') malformed.push(`data[${index}]: ${model}`);
    else if (models.has(model.id)) malformed.push(`data[${index}]: a second model named ${model.id}`);
    else models.set(model.id, model);
  });
  return { models: [...models.values()], malformed };
}

function parseModel(entry: unknown): ListedModel | string {
  const parsed = modelSchema.safeParse(entry);
  if (!parsed.success) return parsed.error.issues[0]?.message ?? 'it is no model';
  const { name = '', aliases, status, source, context_length, meta: info } = parsed.data;
  const { id = name } = parsed.data;
  return {
    id,
    aliases,
    status: statusOf(status.value),
    failed: status.failed === true,
    exitCode: status.failed ? status.exit_code : undefined,
    instance: portOf(status.args),
    sleepIdleSeconds: idleTimerOf(status.args),
    hasLoaded: info !== undefined,
    facts: withoutUndefined({
      ...factsOf(id, info),
      source,
      contextTokens: info?.n_ctx ?? context_length,
    }),
  };
}

/** Parses a `GET /props` body; undefined when it is not that of a llama.cpp router. */
export function parseProps(body: unknown): RouterProps | undefined {
  const parsed = propsSchema.safeParse(body);
  if (!parsed.success || parsed.data.role !== 'router') return undefined;
  const { max_instances, models_autoload, build_info } = parsed.data;
  return { modelsMax: max_instances, autoload: models_autoload, build: build_info };
}

const slotsSchema = z.array(z.object({ is_processing: z.boolean() }));

/** Parses a `GET /slots` body: how many slots of the model are generating. */
export function parseSlots(body: unknown): number | undefined {
  return slotsSchema.safeParse(body).data?.filter((slot) => slot.is_processing).length;
}

/**
 * Parses one event of the stream; invalid and unknown ones are of kind `unknown`. Unknown names become `other`, so that
 * the label stays bounded.
 */
export function parseEvent(line: string): RouterEvent {
  const parsed = eventSchema.safeParse(parseJson(line));
  if (!parsed.success) return { name: 'other', kind: 'unknown' };
  const { model, event, data } = parsed.data;
  switch (event) {
    case 'model_status':
    case 'status_change': {
      if (data?.status === undefined) return { name: event, kind: 'unknown' };
      return {
        name: event,
        kind: 'status',
        model,
        status: statusOf(data.status),
        begins: event === 'model_status' && data.status === 'loading',
        exitCode: data.exit_code,
        progress: loadingProgress.safeParse(data.progress).data?.value,
        facts: data.info?.meta && factsOf(model, data.info.meta),
      };
    }
    case 'download_progress': {
      const progress = downloadProgress.safeParse(data?.progress).data;
      if (progress === undefined) return { name: event, kind: 'unknown' };
      let [doneBytes, totalBytes] = [0, 0];
      for (const { done, total } of Object.values(progress)) {
        doneBytes += done;
        totalBytes += total;
      }
      return { name: event, kind: 'download', model, doneBytes, totalBytes };
    }
    case 'models_reload':
    case 'model_remove':
    case 'download_finished':
    case 'download_failed':
      return { name: event, kind: 'list_changed' };
    default:
      return { name: 'other', kind: 'unknown' };
  }
}

function statusOf(value: string | undefined): Status {
  return STATUSES.find((status) => status === value) ?? 'other';
}

/**
 * Models from a hub cache are named `owner/repository:quantization`. The name wins over the metadata, which is only
 * known while the model runs: otherwise the label would change with every load.
 */
function factsOf(id: string, info: z.infer<typeof meta>): ModelFacts {
  const [, quantization = info?.ftype] = /^[^/]+\/[^/]+:([A-Za-z0-9_.-]+)$/.exec(id) ?? [];
  return withoutUndefined({
    parameters: info?.n_params,
    sizeBytes: info?.size,
    contextTokens: info?.n_ctx,
    quantization,
  });
}

/** Facts are merged with earlier ones, which an undefined value would replace. */
function withoutUndefined(facts: { [K in keyof ModelFacts]: ModelFacts[K] | undefined }): ModelFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

function portOf(args: string[] | undefined): number | undefined {
  const port = Number(args?.[args.lastIndexOf('--port') + 1]);
  return args?.includes('--port') && Number.isInteger(port) ? port : undefined;
}

const IDLE_TIMER = /^--sleep[-_]idle[-_]seconds(?:=(.*))?$/;

/** The last `--sleep-idle-seconds`; -1, like its absence, is none. Undefined when there are no arguments, or it is no number. */
export function idleTimerOf(args: string[] = []): number | undefined {
  const at = args.findLastIndex((arg) => IDLE_TIMER.test(arg));
  if (at < 0) return args.length === 0 ? undefined : 0;
  const value = IDLE_TIMER.exec(args[at] ?? '')?.[1] ?? args[at + 1];
  const seconds = Number(value?.trim() || Number.NaN);
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}
