import { classifyBuild } from '../backends/llama-server/build.ts';
import { refusesHost } from '../backends/llama-server/fault.ts';
import type { Reply, Said } from '../backends/llama-server/probe.ts';
import { serverAddress } from '../lib/address.ts';
import type { StreamState } from '../models/router-state.ts';
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
  const { props, models, openai, front, metrics, events, asLocalhost, ...given } = evidence;
  const { url } = given;
  const { origin, socketPath, prefix } = serverAddress(url);
  const { host, hostname, protocol } = new URL(origin);
  const silence = [props, models].find((reply) => reply?.kind === 'silence');
  const replies = [props, models].flatMap(saidBy);
  return {
    ...given,
    /** `host:port`, or the path of the socket. */
    host: socketPath ?? host,
    hostname,
    scheme: protocol.slice(0, -1),
    socketPath,
    prefix,
    /** A command that sends a request to a path of the router. */
    curl: (path: string, flags = '') => curlOf(url, path, flags),
    isLoopback: /^(localhost|127\..*|\[::1\])$/.test(hostname),
    /** Why there was no answer in HTTP; undefined when there was one. */
    why: silence?.kind === 'silence' ? silence.why : undefined,
    detail: silence?.kind === 'silence' ? silence.detail : '',
    /** `/props` and `/models`, as far as they answered. */
    replies,
    last: replies.at(-1) ?? NO_REPLY,
    denied: deniedIn(evidence),
    /** A reply with which it refuses the header `Host`, and whether it accepts `localhost` there. */
    hostRefusal:
      replies.find(({ status, body }) => refusesHost(status, body)) ?? localOnly(replies, asLocalhost),
    acceptsLocalhost: isAccepted(asLocalhost),
    /** Undefined when `/props` is not that of a router. */
    props: propsIn(props),
    listing: listingIn(models),
    openai: listingIn(openai),
    front: saidBy(front)[0],
    fromLlamaCpp: replies.some(isLlamaCpp),
    metrics: metrics && { model: metrics.model, reply: saidBy(metrics.reply)[0] },
    events,
    buildClass: classifyBuild(propsIn(props)?.build, streamIn(events)),
    /** How many models have an idle timer, or may have one. */
    idleTimers:
      listingIn(models)?.models.filter(({ sleepIdleSeconds }) => sleepIdleSeconds !== 0).length ?? 0,
    /** Name of an earlier router that is the same server. */
    twin: earlier.find((other) => isSameServer(evidence, other))?.name,
  };
}

/** The state that the event stream would have for the service. */
function streamIn(events: Reply | undefined): StreamState {
  if (events?.kind !== 'said') return 'connecting';
  if (events.status === 200 && events.contentType.includes('text/event-stream')) return 'connected';
  return events.status === 200 || events.status === 404 ? 'unsupported' : 'connecting';
}

/**
 * The answer to a request without the right key, or from a client that is not admitted. A proxy that passes only some
 * paths answers 403 to the others, and builds that leave `/models` and `/props` public refuse only what models answer.
 */
function deniedIn({ props, models, openai, metrics, events, hasKey }: RouterEvidence): Said | undefined {
  const replies = [props, models].flatMap(saidBy);
  const others = [events, hasKey ? undefined : metrics?.reply].flatMap(saidBy);
  const unauthorized = [...replies, ...others].find(({ status }) => status === 401);
  if (unauthorized || (listingIn(openai)?.withStatus ?? 0) > 0) return unauthorized;
  return replies.find(({ status }) => status === 403);
}

/** The refusal of a server that accepts the same request for `localhost`. */
function localOnly([first]: readonly Said[], asLocalhost: Reply | undefined): Said | undefined {
  return isAccepted(asLocalhost) ? first : undefined;
}

/** An answer of a llama-server, also one that asks for a key. */
function isAccepted(reply: Reply | undefined): boolean {
  if (reply?.kind !== 'said') return false;
  return propsIn(reply) !== undefined || (isLlamaCpp(reply) && [200, 401].includes(reply.status));
}

function curlOf(url: string, path: string, flags: string): string {
  const { origin, socketPath, prefix } = serverAddress(url);
  const socket = socketPath === undefined ? '' : `--unix-socket '${socketPath}' `;
  return `curl ${flags}${socket}${origin}${prefix}${path}`;
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
  return `${peer.replace(/^(127\..*|\[::1\]):/, 'localhost:')}${serverAddress(url).prefix}`;
}
