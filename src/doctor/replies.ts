import { z } from 'zod';
import type { Reply, Said } from '../backends/llama-server/probe.ts';
import { parseJson, parseListing, parseProps } from '../backends/llama-server/schemas.ts';
import { type Listing, type RouterProps, STATUSES } from '../models/feed.ts';
import { excerpt } from './finding.ts';

/** A listing as the service reads it, with details that only the doctor needs. */
export interface ExaminedListing extends Listing {
  /** The number of entries with a status. */
  withStatus: number;
  unknownStatuses: readonly string[];
  /** The command line of a model has `--metrics`. The environment may turn metrics on as well. */
  metricsInArgs: boolean;
  /** The command line of a model has `--no-slots`. */
  slotsOff: boolean;
  /** Models whose preset names neither a file nor a repository: a load of them never ends. */
  withoutFile: readonly string[];
  /** `owned_by` of the first entry, in which other servers put their name. */
  ownedBy: string;
}

const entries = z.object({
  data: z.array(
    z
      .object({
        status: z
          .preprocess(
            (value) => (typeof value === 'string' ? { value } : value),
            z.object({ value: z.string(), args: z.array(z.string()).catch([]) }),
          )
          .optional()
          .catch(undefined),
        id: z.string().catch(''),
        source: z.string().catch(''),
        owned_by: z.string().catch(''),
      })
      .catch({ id: '', source: '', owned_by: '' }),
  ),
});

/** The listing in a reply; undefined when it has none. */
export function listingIn(reply: Reply | undefined): ExaminedListing | undefined {
  const body = jsonOf(reply);
  const listing = parseListing(body);
  const raw = entries.safeParse(body).data?.data;
  if (!listing || !raw) return undefined;
  const statuses = raw.flatMap(({ status }) => status ?? []);
  const known: readonly string[] = STATUSES;
  const unknown = statuses.map(({ value }) => value).filter((value) => !known.includes(value));
  return {
    ...listing,
    withStatus: statuses.length,
    unknownStatuses: [...new Set(unknown)],
    metricsInArgs: statuses.some(({ args }) => args.includes('--metrics')),
    slotsOff: statuses.some(({ args }) => args.includes('--no-slots')),
    withoutFile: raw.filter(isPresetWithoutFile).map(({ id }) => id),
    ownedBy: raw[0]?.owned_by ?? '',
  };
}

/** Arguments that name what is loaded. */
const MODEL_ARGUMENTS = /^(--model|-m|--model-url|-mu|--hf-repo|-hf|-hfr|--docker-repo|-dr)$/;

function isPresetWithoutFile({ source, status }: z.infer<typeof entries>['data'][number]): boolean {
  if (source !== 'preset' || status === undefined || status.args.length === 0) return false;
  return !status.args.some((argument) => MODEL_ARGUMENTS.test(argument));
}

/** The properties of a router; undefined when the reply is not from a router. */
export function propsIn(reply: Reply | undefined): RouterProps | undefined {
  const body = jsonOf(reply);
  return body === undefined ? undefined : parseProps(body);
}

function jsonOf(reply: Reply | undefined): unknown {
  return reply?.kind === 'said' && reply.status === 200 ? parseJson(reply.body) : undefined;
}

/**
 * Whether the reply is from a llama.cpp server: by its header, which proxies replace, by its `/props`, or by its answer
 * to an unknown path.
 */
export function isLlamaCpp({ server, body }: Said): boolean {
  if (server === 'llama.cpp') return true;
  const json = llamaAnswer.safeParse(parseJson(body)).data;
  return json?.default_generation_settings !== undefined || json?.error?.message === 'File Not Found';
}

/** Whether the header `Server` is not that of llama-server. */
export function isProxy(server: string): boolean {
  return server !== '' && server !== 'llama.cpp';
}

const llamaAnswer = z.object({
  default_generation_settings: z.unknown().optional(),
  error: z.object({ message: z.unknown().optional() }).optional().catch(undefined),
});

const SERVERS: Record<string, string> = {
  vllm: 'vLLM',
  library: 'Ollama',
  sglang: 'SGLang',
  'llama-swap': 'llama-swap',
  organization_owner: 'LM Studio',
};

/** ` (probably vLLM)`; empty for an unknown server. */
export function likelyServer({ ownedBy }: ExaminedListing): string {
  const server = SERVERS[ownedBy];
  return server === undefined ? '' : ` (probably ${server})`;
}

/** What an unknown server answers: the title of a page, else the first words. */
export function describeReply({ status, body, contentType, server, location }: Said): string {
  const by = server ? ` (${excerpt(server)})` : '';
  const title = /<title[^>]*>([^<]*)</i.exec(body)?.[1]?.trim();
  if (title) return `a web page titled '${excerpt(title)}'${by}`;
  if (contentType.includes('html')) return `a web page${by}`;
  if (location) return `a redirect to ${excerpt(location)}${by}`;
  const text = excerpt(body);
  if (text === '') return `${status}${by}`;
  return `${status} and ${parseJson(body) === undefined ? 'text' : 'other JSON'}${by}: ${text}`;
}
