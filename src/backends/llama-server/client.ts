import { createHash } from 'node:crypto';
import { createMutex } from '../../lib/concurrency.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { failed, ok } from '../../lib/result.ts';
import type { Listing, RouterAnswer, RouterFault } from '../../models/feed.ts';
import { ROUTER_TRAITS } from '../../models/server-traits.ts';
import type {
  Backend,
  EngineMetrics,
  EngineSlots,
  LoadAnswer,
  NoAnswer,
  OrderAnswer,
  UnloadAnswer,
} from '../backend.ts';
import type { Endpoint } from '../endpoint.ts';
import { followEvents } from '../event-stream.ts';
import { faultOfResponse } from '../fault.ts';
import { createRouterHttp, type RouterResponse } from '../http.ts';
import { isLlamaSwap } from '../llama-swap/identity.ts';
import { classifyBuild } from './build.ts';
import { parseEvent, parseListing, parseProps, parseSlots } from './schemas.ts';

/** The longest answer about one model. */
const MAX_BYTES = 4 * 1024 * 1024;

/** An order that is not answered within this time lets the next one start on another connection. */
const PATIENCE_MS = 500;

/** A llama.cpp router. */
export function createRouterClient(endpoint: Endpoint): Backend {
  const http = createRouterHttp(endpoint);
  /** Its listings tell which processes have loaded their model. */
  let tellsLoads = false;
  let latest: { digest: string; listing: Listing } | undefined;
  return {
    traits: ROUTER_TRAITS,
    classify: classifyBuild,
    async list(signal) {
      const answer = await get('/models', signal);
      if (!answer.ok) return answer;
      const digest = digestOf(answer.value.body);
      if (latest?.digest === digest) return ok(latest.listing);
      const body = parseJson(answer.value.body);
      if (isLlamaSwap({ body })) return failed(llamaSwapAt(answer.value));
      const listing = parseListing(body);
      if (listing === undefined) return failed(notAListing(answer.value));
      const loaded = listing.models.find(({ status }) => status === 'loaded' || status === 'sleeping');
      if (loaded) tellsLoads = loaded.hasLoaded === true;
      if (!tellsLoads) for (const model of listing.models) model.hasLoaded ||= undefined;
      latest = { digest, listing };
      return ok(listing);
    },
    async props(signal) {
      const answer = await get('/props', signal);
      if (!answer.ok) return answer;
      const props = parseProps(parseJson(answer.value.body));
      if (props) return ok(props);
      const what = 'a llama-server started with -m, an old build or another server';
      const message = `${answer.value.url} does not say "role":"router": ${what}`;
      return failed({ kind: 'not_a_router', message });
    },
    follow: (signal, opened, event) =>
      followEvents(http, '/models/sse', signal, opened, (data) => event(parseEvent(data))),
    unload: (model, signal) =>
      order<UnloadAnswer>('/models/unload', model, signal, { 'not running': 'not_running' }),
    load: (model, signal) =>
      order<LoadAnswer>('/models/load', model, signal, {
        'already running': 'already_running',
        'limit reached': 'full',
      }),
    // An order that is answered seconds late, as while a busy model is stopped, does not hold up the next one.
    exclusive: createMutex(PATIENCE_MS),
    inFlight: () => undefined,
    metrics: (model, signal): Promise<RouterAnswer<EngineMetrics>> =>
      askModel('/metrics', model, signal, ({ body }) => ok({ kind: 'text', text: body })),
    slots: (model, signal): Promise<RouterAnswer<EngineSlots>> =>
      askModel('/slots', model, signal, ({ body, url }) => {
        const processing = parseSlots(parseJson(body));
        if (processing !== undefined) return ok({ kind: 'slots', processing });
        return failed({ kind: 'bad_answer', message: `${url} does not answer a JSON list of slots` });
      }),
    close: http.close,
  };

  async function get(path: string, signal: AbortSignal): Promise<RouterAnswer<RouterResponse>> {
    const answer = await http.request('GET', path, { signal });
    return answer.ok && answer.value.status !== 200 ? unexpected(answer.value) : answer;
  }

  /** `refusals` are the answers to an order by the words of the router's error. */
  async function order<Answer>(
    path: string,
    model: string,
    signal: AbortSignal,
    refusals: Readonly<Record<string, Answer>>,
  ): Promise<RouterAnswer<Answer | OrderAnswer>> {
    const answer = await http.request('POST', path, { signal, json: { model } });
    if (!answer.ok) return answer;
    const { status, body } = answer.value;
    if (status === 200) return ok('accepted');
    const refusal = Object.entries(refusals).find(([words]) => errorMessage(body).includes(words));
    if (refusal) return ok(refusal[1]);
    if (isUnknownModel(answer.value)) return ok('unknown_model');
    return isMissing(status) ? ok('unsupported') : unexpected(answer.value);
  }

  /** A read that the router passes on to the model if it is loaded. */
  async function askModel<T>(
    path: string,
    model: string,
    signal: AbortSignal,
    read: (response: RouterResponse) => RouterAnswer<T>,
  ): Promise<RouterAnswer<T | NoAnswer>> {
    const query = `?model=${encodeURIComponent(model)}&autoload=false`;
    const answer = await http.request('GET', path + query, { signal, maxBytes: MAX_BYTES, passedOn: true });
    if (!answer.ok) return answer;
    const { status, body } = answer.value;
    if (status === 200) return read(answer.value);
    if (errorMessage(body).includes('not loaded') || isUnknownModel(answer.value)) {
      return ok({ kind: 'not_loaded' });
    }
    if (status === 401 && endpoint.api_key) return failed(keyRejectedByModel(answer.value));
    return isMissing(status) ? ok({ kind: 'disabled' }) : unexpected(answer.value);
  }
}

/** Equal for listings that differ only in `created`, the time of the answer: parsing the same models again takes milliseconds. */
function digestOf(listing: string): string {
  return createHash('sha1')
    .update(listing.replaceAll(/"created":\d+/g, ''))
    .digest('base64');
}

function unexpected(response: RouterResponse): { ok: false; fault: RouterFault } {
  return failed(faultOfResponse(response));
}

/**
 * With both --api-key and --api-key-file, models accept only the keys of the file on builds before September 2026
 * (llama.cpp #28820).
 */
function keyRejectedByModel({ url }: RouterResponse): RouterFault {
  const remedy = 'configure a key of its --api-key-file, or update llama.cpp';
  return { kind: 'unauthorized', message: `${url} answers 401: the model rejects the API key: ${remedy}` };
}

/** Whether the server has no such path, or has it turned off. */
function isMissing(status: number): boolean {
  return status === 404 || status === 405 || status === 501;
}

/** `model is not found`, `model 'x' not found`; a missing path is `File Not Found`. */
function isUnknownModel({ status, body }: RouterResponse): boolean {
  return (status === 400 || status === 404) && /\bmodel\b.*\bnot found/.test(errorMessage(body));
}

function errorMessage(body: string): string {
  const parsed = parseJson(body) as { error?: { message?: unknown } } | undefined;
  return typeof parsed?.error?.message === 'string' ? parsed.error.message : '';
}

/** Its list of models looks like that of a router, but says `loaded` of models that start or stop. */
function llamaSwapAt({ url }: RouterResponse): RouterFault {
  const message = `${url} is answered by a llama-swap: configure kind: llama-swap, or auto`;
  return { kind: 'not_a_router', message };
}

function notAListing({ body, url, contentType }: RouterResponse): RouterFault {
  if (!contentType.includes('json') && !body.trimStart().startsWith('{')) {
    return { kind: 'not_a_router', message: `${url} answers ${contentType || 'something'} instead of JSON` };
  }
  const what =
    parseJson(body) === undefined ? 'invalid or incomplete JSON' : 'JSON without a list of models in "data"';
  return { kind: 'bad_answer', message: `${url} answers ${what}` };
}
