import { refusesHost } from '../backends/fault.ts';
import { classifyBuild } from '../backends/llama-server/build.ts';
import type { Reply, Said } from '../backends/probe.ts';
import { serverAddress } from '../lib/address.ts';
import type { StreamState } from '../models/router-state.ts';
import { excerpt } from './finding.ts';
import { isLlamaCpp, listingIn, propsIn } from './replies.ts';
import { listedModels, type RouterEvidence } from './router-evidence.ts';

/** What the evidence shows, as the causes read it. */
export type RouterFacts = ReturnType<typeof factsOf>;

/** `earlier` are the routers examined before, one of which may be the same server. */
export function factsOf(evidence: RouterEvidence, earlier: readonly RouterEvidence[]) {
  const { props, models, openai, metrics, events } = evidence;
  const { origin, socketPath, prefix } = serverAddress(evidence.url);
  const { host, hostname, port, protocol } = new URL(origin);
  const replies = [props, models].flatMap(saidBy);
  const listing = listingIn(models);
  return {
    ...evidence,
    /** `host:port`, or the path of the socket. */
    host: socketPath ?? host,
    hostname,
    hasPort: socketPath !== undefined || port !== '',
    isLoopback: /^(localhost|127\..*|\[::1\])$/.test(hostname),
    scheme: protocol.slice(0, -1),
    socketPath,
    prefix,
    /** What the server is, as far as its answers show it. */
    found: evidence.swap === undefined ? ('llama-server' as const) : ('llama-swap' as const),
    /** A command that sends a request to a path of the router. */
    curl(path: string, flags = '') {
      const socket = socketPath === undefined ? '' : `--unix-socket '${socketPath}' `;
      return `curl ${flags}${socket}${origin}${prefix}${path}`;
    },
    /** Undefined when there was an answer in HTTP. */
    silence: [props, models].find((reply) => reply?.kind === 'silence'),
    /** `/props` and `/models`, as far as they answered, and the last of them. */
    replies,
    last: replies.at(-1),
    denied: deniedIn(evidence),
    /** The answers were understood: what they require was given. */
    isUnderstood: evidence.swap
      ? evidence.swap.listing?.ok === true
      : propsIn(props) !== undefined && listing !== undefined,
    hasKey: evidence.api_key !== undefined,
    hasUser: evidence.username !== undefined,
    hostRefusal: hostRefusalIn(replies, evidence.asLocalhost),
    /** Undefined when `/props` is not that of a router. */
    props: propsIn(props),
    listing,
    openai: listingIn(openai),
    fromLlamaCpp: replies.some(isLlamaCpp),
    metrics: metrics && { model: excerpt(metrics.model), reply: saidBy(metrics.reply)[0] },
    buildClass: classifyBuild(propsIn(props)?.build, streamIn(events)),
    /** How many models have an idle timer, or may have one. */
    idleTimers: listing?.models.filter(({ sleepIdleSeconds }) => sleepIdleSeconds !== 0).length ?? 0,
    /** Name of an earlier router that is the same server. */
    twin: earlier.find((other) => identityOf(other) === identityOf(evidence))?.name,
  };
}

/** The state that the event stream would have for the service. */
export function streamIn(events: Reply | undefined): StreamState {
  if (events?.kind !== 'said') return 'connecting';
  if (events.status === 200 && events.contentType.includes('text/event-stream')) return 'connected';
  return events.status === 200 || events.status === 404 ? 'unsupported' : 'connecting';
}

/**
 * The answer to a request without the right key, or from a client that is not admitted. A proxy that passes only some
 * paths answers 403 to the others, and builds that leave `/models` and `/props` public refuse only what models answer.
 */
function deniedIn(evidence: RouterEvidence): Said | undefined {
  const { props, models, openai, metrics, events, swap, api_key } = evidence;
  const replies = [props, models].flatMap(saidBy);
  const others = [events, swap?.version, api_key ? undefined : metrics?.reply].flatMap(saidBy);
  const unauthorized = [...replies, ...others].find(({ status }) => status === 401);
  if (unauthorized || (listingIn(openai)?.withStatus ?? 0) > 0) return unauthorized;
  return replies.find(({ status }) => status === 403);
}

/** The reply with which a server refuses the header `Host`: by its words, or because it accepts `localhost` there. */
function hostRefusalIn(replies: readonly Said[], asLocalhost: Reply | undefined): Said | undefined {
  const refusal = replies.find(({ status, body }) => refusesHost(status, body));
  const [accepted] = saidBy(asLocalhost).filter(({ status }) => [200, 401].includes(status));
  const isRouter = accepted && (isLlamaCpp(accepted) || propsIn(accepted) !== undefined);
  return refusal ?? (isRouter ? replies[0] : undefined);
}

/** The answer in HTTP, if there is one. */
export function saidBy(reply: Reply | undefined): Said[] {
  return reply?.kind === 'said' ? [reply] : [];
}

/**
 * Equal for two routers that are the same server: every load of a model takes a new port, so equal ports say so; before
 * the first load, and where ports are fixed, the same models at the same address do. Unique without a listing.
 */
function identityOf(evidence: RouterEvidence): unknown {
  const { peer = '', url } = evidence;
  const listed = listedModels(evidence) ?? [];
  if (listed.length === 0) return Symbol();
  const instances = listed.map(({ id, instance = 0 }) => `${id} ${instance}`).sort();
  const isFresh = listed.every(({ instance = 0 }) => instance === 0);
  const address = `${peer.replace(/^(127\..*|\[::1\]):/, 'localhost:')}${serverAddress(url).prefix}`;
  return JSON.stringify([instances, isFresh ? address : '']);
}
