import * as z from 'zod';
import { parseJson } from '../../lib/parse-json.ts';

/**
 * Payloads of llama-swap, parsed loosely: its API has no stated contract and changes with its versions. Entries without a
 * usable name are left out.
 */
const text = z.string().optional().catch(undefined);
const seconds = z.number().nonnegative().optional().catch(undefined);
const count = z.number().positive().optional().catch(undefined);
const names = z.array(z.string()).catch([]);
/** Half a surrogate pair cannot be written as UTF-8: two such ids would become one series. */
const modelId = z
  .string()
  .min(1)
  .refine((value) => !/\p{Surrogate}/u.test(value));

/** A model of its configuration. */
export interface SwapModel {
  id: string;
  aliases: string[];
  contextTokens?: number | undefined;
}

/** A model of a `modelStatus` message. */
export interface StreamedModel extends SwapModel {
  state: string;
  /** `/v1/models` leaves it out. */
  unlisted: boolean;
}

/** A model of `/running`: one that has a process. */
export interface RunningModel {
  id: string;
  state: string;
  command?: string | undefined;
  /** The URL that its process listens on, seen from the llama-swap. */
  proxy?: string | undefined;
  /** Idle seconds until it is unloaded; 0: never. */
  ttlSeconds?: number | undefined;
}

/** One message of `/api/events`. `ignored` are messages without anything that the exporter uses. */
export type SwapMessage =
  | { kind: 'models'; models: StreamedModel[] }
  | { kind: 'requests'; change: RequestChange }
  | { kind: 'ignored' }
  | { kind: 'unknown' };

const runningSchema = z.object({ running: z.array(z.unknown()) });
const processSchema = z.object({ model: modelId, state: text, cmd: text, proxy: text, ttl: seconds });

/** Parses a `GET /running` body; undefined when it is none. */
export function parseRunning(body: unknown): RunningModel[] | undefined {
  const running = runningSchema.safeParse(body).data?.running;
  if (running === undefined) return undefined;
  return parsedEntries(processSchema, running).map(({ model, state = '', cmd, proxy, ttl }) => {
    return { id: model, state, command: cmd, proxy, ttlSeconds: ttl };
  });
}

/** Parses a `GET /api/version` body; undefined when it is none. */
export function parseVersion(body: unknown): string | undefined {
  return z.object({ version: z.string() }).safeParse(body).data?.version;
}

const listSchema = z.object({ data: z.array(z.unknown()) });
const entrySchema = z.object({
  id: modelId,
  context_length: count,
  meta: z
    .object({
      n_ctx: count,
      llamaswap: z.object({ type: text, aliases: names }).optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});

/** Parses a `GET /v1/models` body: its own models, without aliases, peers, selectors and pins of a profile. */
export function parseModels(body: unknown): SwapModel[] | undefined {
  const list = listSchema.safeParse(body).data?.data;
  if (list === undefined) return undefined;
  return parsedEntries(entrySchema, list)
    .filter(({ meta }) => (meta?.llamaswap?.type ?? 'model') === 'model')
    .map(({ id, meta, context_length }) => ({
      id,
      aliases: meta?.llamaswap?.aliases ?? [],
      contextTokens: context_length ?? meta?.n_ctx,
    }));
}

const messageSchema = z.object({ type: z.string(), data: z.string().optional().catch(undefined) });

/** Log lines can hold prompts. This comes before the text of a message is parsed at all. */
const LOG_MESSAGE = /^\s*\{\s*"type"\s*:\s*"logData"/;

/** Parses the data of one event of `/api/events`. */
export function parseMessage(line: string): SwapMessage {
  if (LOG_MESSAGE.test(line)) return { kind: 'ignored' };
  const message = messageSchema.safeParse(parseJson(line)).data;
  switch (message?.type) {
    case 'modelStatus': {
      const models = parseStates(parseJson(message.data ?? ''));
      return models ? { kind: 'models', models } : { kind: 'unknown' };
    }
    case 'inflight': {
      const change = requestChangeSchema.safeParse(parseJson(message.data ?? '')).data;
      return change ? { kind: 'requests', change } : { kind: 'unknown' };
    }
    case 'logData':
    case 'activity':
    case 'profileChanged':
    case 'uiConfig':
      return { kind: 'ignored' };
    default:
      return { kind: 'unknown' };
  }
}

const stateSchema = z.object({
  id: modelId,
  state: z.string(),
  unlisted: z.boolean().catch(false),
  peerID: text,
  aliases: names,
  context_length: count,
});

/** The models of a `modelStatus` message. A peer's model has no state: it runs elsewhere. */
function parseStates(body: unknown): StreamedModel[] | undefined {
  const list = z.array(z.unknown()).safeParse(body).data;
  if (list === undefined) return undefined;
  return parsedEntries(stateSchema, list)
    .filter(({ state, peerID }) => state !== '' && !peerID)
    .map(({ id, state, unlisted, aliases, context_length }) => ({
      id,
      state,
      unlisted,
      aliases,
      contextTokens: context_length,
    }));
}

/** A request under way, or waiting for its model to load: by the model's id or an alias. */
const requestSchema = z.object({ id: z.string(), model: z.string() });
const requestsSchema = z
  .array(z.unknown())
  .nullish()
  .transform((entries) => parsedEntries(requestSchema, entries ?? []));

/** One `inflight` message. */
const requestChangeSchema = z.discriminatedUnion('operation', [
  z.object({ operation: z.literal('snapshot'), requests: requestsSchema }),
  z.object({ operation: z.literal('upsert'), request: requestSchema }),
  z.object({ operation: z.literal('remove'), id: z.string() }),
]);

export type RequestChange = z.infer<typeof requestChangeSchema>;

const errorSchema = z.object({ src: z.literal('llama-swap'), error: z.object({ message: z.string() }) });

/** The message of a llama-swap error; undefined when the error is not one of llama-swap. */
export function parseError(body: unknown): string | undefined {
  return errorSchema.safeParse(body).data?.error.message;
}

function parsedEntries<T>(schema: z.ZodType<T>, entries: readonly unknown[]): T[] {
  return entries.flatMap((entry) => schema.safeParse(entry).data ?? []);
}
