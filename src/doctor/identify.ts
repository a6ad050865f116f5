import type { Reply, Said } from '../backends/llama-server/probe.ts';
import { parseJson } from '../backends/llama-server/schemas.ts';
import type { RouterProps } from '../models/feed.ts';
import type { RouterEvidence } from './evidence.ts';
import { isLlamaCpp, listingIn, type ReadListing, routerPropsIn } from './listing.ts';

/** What it is that answers there. */
export type Server =
  | { kind: 'router'; props: RouterProps; listing: ReadListing }
  /** It says that it is a router, and lists no models that we can read. */
  | { kind: 'router_without_listing'; models: Reply }
  /** It lists models with statuses, and does not say that it is a router. */
  | { kind: 'look_alike'; listing: ReadListing }
  | { kind: 'locked'; by: Said; listing?: ReadListing }
  | { kind: 'single_model' }
  | { kind: 'no_router_build' }
  | { kind: 'no_status'; like: string }
  | { kind: 'openai_only'; like: string }
  | { kind: 'redirect'; to: string }
  | { kind: 'tls' }
  | { kind: 'broken'; by: Said }
  | { kind: 'something_else'; what: string };

/** Names the server by what it answered to `/props` and the questions after it. */
export function identify({ props, models, events, openai, front }: RouterEvidence): Server {
  const told = [props, models].filter(isSaid);
  const listing = listingIn(models);
  const locked = [...told, events].filter(isSaid).find(({ status }) => status === 401 || status === 403);
  if (locked) return { kind: 'locked', by: locked, ...(listing && { listing }) };
  const routerProps = routerPropsIn(props);
  if (routerProps && listing) return { kind: 'router', props: routerProps, listing };
  if (routerProps && models) return { kind: 'router_without_listing', models };

  const isLlama = told.some(isLlamaCpp);
  const startsUp = told.some(({ status, body }) => status === 503 && body.includes('Loading model'));
  if (startsUp || (isLlama && listing && listing.withStatus === 0)) return { kind: 'single_model' };
  if (isLlama && told.some(({ status }) => status === 404)) return { kind: 'no_router_build' };
  if (listing && listing.withStatus > 0) return { kind: 'look_alike', listing };
  if (listing) return { kind: 'no_status', like: likeness(listing) };
  const openaiListing = listingIn(openai);
  if (openaiListing) return { kind: 'openai_only', like: likeness(openaiListing) };

  const [last] = told.toReversed();
  if (told.some(({ body }) => /HTTP request (was sent )?to (an )?HTTPS (port|server)/.test(body))) {
    return { kind: 'tls' };
  }
  if (last && last.status >= 300 && last.status < 400 && last.location) {
    return { kind: 'redirect', to: last.location };
  }
  if (last && last.status >= 500) return { kind: 'broken', by: last };
  return { kind: 'something_else', what: describe(front) ?? describe(last) ?? 'HTTP, but nothing known' };
}

function isSaid(reply: Reply | undefined): reply is Said {
  return reply?.kind === 'said';
}

const LIKENESSES: Record<string, string> = {
  vllm: 'vLLM',
  library: 'Ollama',
  sglang: 'SGLang',
  'llama-swap': 'llama-swap',
  organization_owner: 'LM Studio',
};

/** Who writes so into `owned_by`; empty when nobody known does. */
function likeness({ ownedBy }: ReadListing): string {
  return LIKENESSES[ownedBy] ?? '';
}

/** A page by its title, all else by its first words. */
function describe(reply: Reply | undefined): string | undefined {
  if (reply?.kind !== 'said') return undefined;
  const { status, body, contentType, server, location } = reply;
  const by = server ? ` (${shorten(server)})` : '';
  const title = /<title[^>]*>([^<]*)</i.exec(body)?.[1];
  if (title?.trim()) return `a web page titled '${shorten(title)}'${by}`;
  if (contentType.includes('html')) return `a web page${by}`;
  if (location) return `a redirect to ${shorten(location)}${by}`;
  const text = shorten(body);
  const kind = parseJson(body) === undefined ? 'text' : 'other JSON';
  return text === '' ? `${status}${by}` : `${status} and ${kind}${by}: ${text}`;
}

/** One line of at most 60 characters, without control characters: it goes to a terminal. */
export function shorten(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
