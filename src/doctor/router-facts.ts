import type { Reply, Said } from '../backends/llama-server/probe.ts';
import { isLlamaCpp, listingIn, propsIn } from './replies.ts';
import type { RouterEvidence } from './router-evidence.ts';

/** What the evidence shows, as the causes read it. */
export type RouterFacts = ReturnType<typeof factsOf>;

const NO_REPLY: Said = {
  kind: 'said',
  status: 0,
  contentType: '',
  server: '',
  location: '',
  authenticate: '',
  body: '',
};

/** `earlier` are the routers examined before, one of which may be the same server. */
export function factsOf(evidence: RouterEvidence, earlier: readonly RouterEvidence[]) {
  const { url, hasKey, timeoutSeconds, peer, props, models, openai, front, metrics, events } = evidence;
  const { host, hostname, protocol } = new URL(url);
  const silence = [props, models].find((reply) => reply?.kind === 'silence');
  const replies = [props, models].flatMap(saidBy);
  return {
    url,
    hasKey,
    timeoutSeconds,
    peer,
    host,
    hostname,
    scheme: protocol.slice(0, -1),
    isLoopback: /^(localhost|127\..*|\[::1\])$/.test(hostname),
    /** Why there was no answer in HTTP; undefined when there was one. */
    why: silence?.kind === 'silence' ? silence.why : undefined,
    detail: silence?.kind === 'silence' ? silence.detail : '',
    /** `/props` and `/models`, as far as they answered. */
    replies,
    last: replies.at(-1) ?? NO_REPLY,
    denied: [...replies, ...saidBy(events)].find(({ status }) => status === 401 || status === 403),
    /** Undefined when `/props` is not that of a router. */
    props: propsIn(props),
    listing: listingIn(models),
    openai: listingIn(openai),
    front: saidBy(front)[0],
    fromLlamaCpp: replies.some(isLlamaCpp),
    metrics: metrics && { model: metrics.model, reply: saidBy(metrics.reply)[0] },
    events,
    /** Name of an earlier router that is the same server. */
    twin: earlier.find((other) => isSameServer(evidence, other))?.name,
  };
}

function saidBy(reply: Reply | undefined): Said[] {
  return reply?.kind === 'said' ? [reply] : [];
}

/**
 * Every load of a model takes a new port, so equal ports mean the same server. Before the first load, the same models
 * at the same address do.
 */
function isSameServer(one: RouterEvidence, other: RouterEvidence): boolean {
  const [mine, theirs] = [portsOf(one), portsOf(other)];
  if (!mine || !theirs || mine.size !== theirs.size) return false;
  const pairs = [...mine].map(([id, port]) => [port, theirs.get(id)] as const);
  if (pairs.some(([port, twin]) => port !== twin)) return false;
  return pairs.some(([port]) => port > 0) || (mine.size > 0 && addressOf(one) === addressOf(other));
}

/** The port of each model's process; 0 before its first load. */
function portsOf({ models }: RouterEvidence): Map<string, number> | undefined {
  const listing = listingIn(models);
  return listing && new Map(listing.models.map(({ id, instance = 0 }) => [id, instance]));
}

function addressOf({ peer = '', url }: RouterEvidence): string {
  return `${peer.replace(/^(127\..*|\[::1\]):/, 'localhost:')}${new URL(url).pathname}`;
}
