import { isLoopbackAddress, serverAddress } from '../../lib/address.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { failed, ok, type Result } from '../../lib/result.ts';
import type { RouterAnswer } from '../../models/feed.ts';
import type { EngineMetrics, EngineSlots, NoAnswer } from '../backend.ts';
import { faultOfResponse } from '../fault.ts';
import { createRouterHttp, type RouterResponse } from '../http.ts';
import { parseSlots } from '../llama-server/schemas.ts';

/** The longest answer of a model's process. */
const MAX_BYTES = 4 * 1024 * 1024;

/** No such path, turned off, or only for holders of a key of its own. */
const LASTING = [401, 403, 404, 405, 501];

/** How the llama-swap itself is reached. */
interface SwapPlace {
  url: string;
  local?: 'auto' | 'yes' | 'no' | undefined;
}

/**
 * The URL at which the exporter reaches a model's own process, or why it cannot. A loopback address is that of the
 * llama-swap's machine: here, another program could listen on it.
 */
export function ownUrl(proxy: string | undefined, place: SwapPlace): Result<string, string> {
  if (proxy === undefined || !/^https?:/.test(proxy) || !URL.canParse(proxy)) {
    return failed('llama-swap does not list a URL of its process');
  }
  const { hostname } = new URL(proxy);
  if (!isLoopbackName(hostname) || isThisMachine(place)) return ok(proxy);
  return failed(`it listens on ${hostname} of the machine of the llama-swap, which is not this one`);
}

/** The port of a model's own process. */
export function portOf(proxy: string | undefined): number | undefined {
  if (proxy === undefined || !URL.canParse(proxy)) return undefined;
  const { port, protocol } = new URL(proxy);
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}

function isThisMachine({ url, local = 'auto' }: SwapPlace): boolean {
  if (local !== 'auto') return local === 'yes';
  const { origin, socketPath } = serverAddress(url);
  return socketPath !== undefined || isLoopbackName(new URL(origin).hostname);
}

function isLoopbackName(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host.endsWith('.localhost') || host === '0.0.0.0' || isLoopbackAddress(host);
}

/** What a model's own process is asked. */
export interface OwnQuestion<T> {
  path: string;
  read(response: RouterResponse): RouterAnswer<T>;
}

export const OWN_METRICS: OwnQuestion<EngineMetrics> = {
  path: '/metrics',
  read({ body, url }) {
    if (!/^llamaswap_/m.test(body)) return ok({ kind: 'text', text: body });
    return ok({ kind: 'none', why: `${url} answers the metrics of a llama-swap` });
  },
};

export const OWN_SLOTS: OwnQuestion<EngineSlots> = {
  path: '/slots',
  read({ body, url }) {
    const processing = parseSlots(parseJson(body));
    if (processing !== undefined) return ok({ kind: 'slots', processing });
    return failed({ kind: 'bad_answer', message: `${url} does not answer a JSON list of slots` });
  },
};

/**
 * Asks the process at this URL, never with the credentials of the llama-swap. What cannot change while the process lives
 * is no fault: it is not asked again.
 */
export async function askOwn<T>(
  { path, read }: OwnQuestion<T>,
  url: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<RouterAnswer<T | NoAnswer>> {
  const http = createRouterHttp({ url, requestTimeoutMs: timeoutMs, modelTimeoutMs: timeoutMs });
  const options = { signal, maxBytes: MAX_BYTES };
  const first = await http.request('GET', path, options);
  // A connection may break once.
  const isBroken = !first.ok && first.fault.kind === 'unreachable';
  const answer = isBroken ? await http.request('GET', path, options) : first;
  await http.close();
  if (!answer.ok) {
    const { kind, message } = answer.fault;
    return kind === 'unreachable' || kind === 'not_a_router' ? ok({ kind: 'none', why: message }) : answer;
  }
  const { status, url: asked } = answer.value;
  if (status === 200) return read(answer.value);
  if (LASTING.includes(status)) return ok({ kind: 'none', why: `${asked} answers ${status}` });
  return failed(faultOfResponse(answer.value));
}
