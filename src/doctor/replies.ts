import * as z from 'zod';
import { parseListing, parseProps } from '../backends/llama-server/schemas.ts';
import type { Reply, Said } from '../backends/probe.ts';
import { parseJson } from '../lib/parse-json.ts';
import { type Listing, type RouterProps, STATUSES } from '../models/feed.ts';
import { excerpt } from './finding.ts';

/** A listing as the service reads it, with details that only the doctor needs. */
export interface ExaminedListing extends Listing {
  /** The number of entries with a status. */
  withStatus: number;
  /** What is wrong with entries: malformed, or without a known status. */
  faults: readonly string[];
  /** The command line of a model has `--metrics`. The environment may turn metrics on as well. */
  metricsInArgs: boolean;
  /** The command line of a model has `--no-slots`. */
  slotsOff: boolean;
  /** Models whose preset names neither a file nor a repository: a load of them never ends. */
  withoutFile: readonly string[];
  /** `owned_by: vllm` of the first entry: other servers put their name there. */
  ownedBy: string;
}

const text = z.string().catch('');
const entry = z.object({
  id: text,
  name: text,
  source: text,
  owned_by: text,
  status: z.preprocess(
    (status) => (typeof status === 'string' ? { value: status } : (status ?? {})),
    z.object({ value: text, args: z.array(z.string()).catch([]) }).catch({ value: '', args: [] }),
  ),
});

/** Arguments that name what is loaded. */
const MODEL_ARGUMENTS = /^(--model|-m|--model-url|-mu|--hf-repo|-hf|-hfr|--docker-repo|-dr)$/;

/** The listing in a reply; undefined when it has none. */
export function listingIn(reply: Reply | undefined): ExaminedListing | undefined {
  const body = jsonOf(reply);
  const listing = parseListing(body);
  if (!listing) return undefined;
  const { data } = body as { data: unknown[] };
  // Entries without an id and a name are malformed already.
  const entries = data
    .flatMap((each) => entry.safeParse(each).data ?? [])
    .filter(({ id, name }) => id !== '' || name !== '');
  const statuses = entries.map(({ status }) => status.value);
  const args = entries.flatMap(({ status }) => status.args);
  const presets = entries.filter(({ source, status }) => source === 'preset' && status.args.length > 0);
  return {
    ...listing,
    withStatus: statuses.filter((status) => status !== '').length,
    faults: [...listing.malformed, ...statuses.flatMap(statusFault)],
    metricsInArgs: args.includes('--metrics'),
    slotsOff: args.includes('--no-slots'),
    withoutFile: presets
      .filter(({ status }) => !status.args.some((argument) => MODEL_ARGUMENTS.test(argument)))
      .map(({ id }) => id),
    ownedBy: `owned_by: ${excerpt(entries[0]?.owned_by ?? '')}`,
  };
}

function statusFault(status: string): string[] {
  if (status === '') return ['it has no status'];
  return STATUSES.some((known) => known === status) ? [] : [`unknown status '${status}'`];
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
  return server === 'llama.cpp' || /"default_generation_settings"|"File Not Found"/.test(body);
}

/** ` (nginx)`: the proxy that sent a reply; empty for llama-server and for servers without a name. */
export function proxyOf(reply: Said | undefined): string {
  const server = excerpt(reply?.server ?? '');
  return server === '' || server === 'llama.cpp' ? '' : ` (${server})`;
}

/** What a server answers: the title of a page, else the first words. */
export function describeReply(reply: Said | undefined): string {
  const { status = 0, body = '', contentType = '', location = '' } = reply ?? {};
  const by = proxyOf(reply);
  const title = /<title[^>]*>([^<]*)</i.exec(body)?.[1]?.trim();
  if (title) return `a web page titled '${excerpt(title)}'${by}`;
  if (contentType.includes('html')) return `${status} and a web page${by}`;
  const words = excerpt(location === '' ? body : `redirect to ${location}`);
  return `${status}${by}${words === '' ? '' : `: ${words}`}`;
}
