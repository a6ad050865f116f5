import { z } from 'zod';
import type { ListedModel, Listing, ModelFacts, RouterEvent, RouterProps } from '../../models/feed.ts';
import { STATUSES, type Status } from '../../models/status.ts';

/**
 * Others' payloads, read loosely: they grow fields, and builds differ (docs/architecture.md). What is not
 * understood about a model is left out; only a model without a name is malformed.
 */
const text = z.string().optional().catch(undefined);
/** Half a surrogate pair cannot be written as UTF-8: two such ids would become one series. */
const modelName = z
  .string()
  .min(1)
  .refine((value) => !/\p{Surrogate}/u.test(value));
const count = z.number().nonnegative().optional().catch(undefined);
const meta = z
  .object({ n_params: count, size: count, n_ctx: count, ftype: text })
  .optional()
  .catch(undefined);

const statusObject = z.object({
  value: text,
  args: z.array(z.string()).optional().catch(undefined),
  failed: z.boolean().optional().catch(undefined),
  exit_code: z.number().int().optional().catch(undefined),
});
/** An object today, a plain string on some builds, nothing at all on look-alikes. */
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
  .refine(
    (model) => model.id !== undefined || model.name !== undefined,
    'it has neither a usable "id" nor "name"',
  );

const listingSchema = z.object({ data: z.array(z.unknown()) });

const propsSchema = z.object({
  role: text,
  max_instances: count,
  models_autoload: z.boolean().optional().catch(undefined),
  build_info: text,
});

const eventSchema = z.object({
  model: modelName,
  event: z.string(),
  data: z
    .object({
      status: text,
      exit_code: z.number().int().optional().catch(undefined),
      progress: z.unknown().optional(),
      info: z.object({ meta }).optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});

const loadingProgress = z.object({ value: z.number().min(0).max(1) });
const bytes = z.number().nonnegative();
const downloadProgress = z.record(z.string(), z.object({ done: bytes, total: bytes }));

/** The models of a `GET /models` body; undefined when it is no list of models. */
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
  const model = parsed.data;
  const { status } = model;
  const id = model.id ?? model.name ?? '';
  const instance = portOf(status.args);
  return {
    id,
    aliases: model.aliases,
    status: statusOf(status.value),
    failed: status.failed === true,
    ...(status.exit_code !== undefined && { exitCode: status.exit_code }),
    ...(instance !== undefined && { instance }),
    facts: {
      ...factsOf(model.meta),
      ...quantizationInName(id),
      ...(model.source !== undefined && { source: model.source }),
      ...(model.meta?.n_ctx === undefined &&
        model.context_length !== undefined && { contextTokens: model.context_length }),
    },
  };
}

/** What `GET /props` tells of a router; undefined when the body is not one of llama.cpp's router mode. */
export function parseProps(body: unknown): RouterProps | undefined {
  const parsed = propsSchema.safeParse(body);
  if (!parsed.success || parsed.data.role !== 'router') return undefined;
  const { max_instances, models_autoload, build_info } = parsed.data;
  return {
    ...(max_instances !== undefined && { modelsMax: max_instances }),
    ...(models_autoload !== undefined && { autoload: models_autoload }),
    ...(build_info !== undefined && { build: build_info }),
  };
}

const slotsSchema = z.array(z.object({ is_processing: z.boolean() }));

/** How many slots of a model are generating, as its `GET /slots` tells; undefined when it does not. */
export function parseSlots(body: unknown): number | undefined {
  return slotsSchema.safeParse(body).data?.filter((slot) => slot.is_processing).length;
}

/** The names that `events_total` may carry: others are counted as `other`, so that labels stay bounded. */
const EVENT_NAMES = new Set([
  'model_status',
  'status_change',
  'models_reload',
  'model_remove',
  'download_progress',
  'download_finished',
  'download_failed',
]);

/** One event of the stream. What is not JSON, or not known, is an event of kind `unknown`: never an error. */
export function parseEvent(line: string): RouterEvent {
  const parsed = eventSchema.safeParse(parseJson(line));
  if (!parsed.success) return { name: 'other', kind: 'unknown' };
  const { model, event, data } = parsed.data;
  const name = EVENT_NAMES.has(event) ? event : 'other';
  switch (event) {
    case 'model_status':
    case 'status_change': {
      if (data?.status === undefined) return { name, kind: 'unknown' };
      const progress = loadingProgress.safeParse(data.progress).data?.value;
      return {
        name,
        kind: 'status',
        model,
        status: statusOf(data.status),
        begins: event === 'model_status' && data.status === 'loading',
        ...(data.exit_code !== undefined && { exitCode: data.exit_code }),
        ...(progress !== undefined && { progress }),
        ...(data.info?.meta && { facts: { ...factsOf(data.info.meta), ...quantizationInName(model) } }),
      };
    }
    case 'download_progress': {
      const progress = downloadProgress.safeParse(data?.progress).data;
      if (progress === undefined) return { name, kind: 'unknown' };
      const files = Object.values(progress);
      const sum = (pick: (file: { done: number; total: number }) => number) =>
        files.reduce((total, file) => total + pick(file), 0);
      return {
        name,
        kind: 'download',
        model,
        doneBytes: sum((f) => f.done),
        totalBytes: sum((f) => f.total),
      };
    }
    case 'models_reload':
    case 'model_remove':
    case 'download_finished':
    case 'download_failed':
      return { name, kind: 'list_changed' };
    default:
      return { name, kind: 'unknown' };
  }
}

/** The JSON value of a text; undefined when it is none. */
export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function statusOf(value: string | undefined): Status {
  return STATUSES.find((status) => status === value) ?? 'other';
}

function factsOf(info: z.infer<typeof meta>): ModelFacts {
  return {
    ...(info?.n_params !== undefined && { parameters: info.n_params }),
    ...(info?.size !== undefined && { sizeBytes: info.size }),
    ...(info?.n_ctx !== undefined && { contextTokens: info.n_ctx }),
    ...(info?.ftype !== undefined && { quantization: info.ftype }),
  };
}

/**
 * Models from a hub cache are named `owner/repository:quantization`: known before the first load, and taken then
 * too, so that the label does not change with every load.
 */
function quantizationInName(id: string): ModelFacts {
  const tag = /^[^/]+\/[^/]+:([A-Za-z0-9_.-]+)$/.exec(id)?.[1];
  return tag === undefined ? {} : { quantization: tag };
}

function portOf(args: string[] | undefined): number | undefined {
  const port = Number(args?.[args.lastIndexOf('--port') + 1]);
  return args?.includes('--port') && Number.isInteger(port) ? port : undefined;
}
