import { createLimit } from '../../lib/concurrency.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { failed, ok } from '../../lib/result.ts';
import type { RouterAnswer, RouterEvent, RouterFault } from '../../models/feed.ts';
import type { Backend } from '../backend.ts';
import type { Endpoint } from '../endpoint.ts';
import { followEvents } from '../event-stream.ts';
import { faultOfResponse } from '../fault.ts';
import { createRouterHttp, type RouterResponse } from '../http.ts';
import { oldVersion } from './identity.ts';
import { listingOf } from './listing.ts';
import { askOwn, OWN_METRICS, OWN_SLOTS, type OwnQuestion, ownUrl } from './own-port.ts';
import {
  parseError,
  parseMessage,
  parseModels,
  parseRunning,
  parseVersion,
  type RunningModel,
  type SwapModel,
} from './schemas.ts';
import { SWAP_TRAITS } from './traits.ts';
import { receive, type StreamView } from './view.ts';

/**
 * A llama-swap. Only its own paths are asked, never those that it passes on to a model: they load the model, and restart the
 * time after which it unloads it. A model's own metrics come from the port of its process.
 */
export function createSwapClient(endpoint: Endpoint): Backend {
  const http = createRouterHttp(endpoint);
  let view: StreamView = {};
  /** Models that only the event stream lists, as last seen. */
  let unlisted: readonly SwapModel[] = [];
  let running: readonly RunningModel[] = [];
  /** Each model as listed while it ran last. */
  const seen = new Map<string, RunningModel>();
  let version: string | undefined;

  return {
    traits: SWAP_TRAITS,
    classify: () => 'unknown',
    async list(signal) {
      const checked = await checkVersion(signal);
      if (!checked.ok) return checked;
      const listed = await listRunning(signal);
      if (!listed.ok) {
        version = undefined; // Another one may answer next.
        return listed;
      }
      const models = view.models ? ok(view.models) : await listModels(signal);
      return models.ok ? ok(listingOf(models.value, listed.value, seen, view.inFlight)) : models;
    },
    async props(signal) {
      const checked = await checkVersion(signal);
      return checked.ok ? ok({ build: checked.value }) : checked;
    },
    async follow(signal, opened, event) {
      const checked = await checkVersion(signal);
      if (!checked.ok) return { kind: 'fault', fault: checked.fault };
      const end = await followEvents(
        http,
        '/api/events',
        signal,
        () => {},
        (data) => {
          const { view: next, events } = receive(view, parseMessage(data));
          // From now on, the listing tells the requests under way, and the events each change of them.
          const isFirst = view.inFlight === undefined && next.inFlight !== undefined;
          view = next;
          if (isFirst) opened();
          for (const each of events) event(each);
          // Its command and port are only listed while it runs.
          if (events.some(isUnseen)) event({ name: 'modelStatus', kind: 'list_changed' });
        },
      );
      unlisted = view.models?.filter((model) => model.unlisted) ?? unlisted;
      // It may have read another configuration, or be another one.
      view = {};
      seen.clear();
      version = undefined;
      return end;
    },
    async unload(model, signal) {
      // It takes the first slash of the name away.
      const name = model.startsWith('/') ? `/${model}` : model;
      const path = `/api/models/unload/${encodeURIComponent(name)}`;
      const answer = await http.request('POST', path, { signal, timeoutMs: endpoint.unloadTimeoutMs });
      if (!answer.ok) return answer;
      const { status, body } = answer.value;
      if (status === 200) return ok('gone');
      if (status !== 404 && status !== 405) return failed(faultOfResponse(answer.value));
      return ok(parseError(parseJson(body)) === undefined ? 'unsupported' : 'unknown_model');
    },
    load: async () => ok('unsupported'),
    // An unload holds up the whole llama-swap: the next one waits for its answer.
    exclusive: createLimit(1),
    inFlight: (model) => view.inFlight?.get(model),
    metrics: (model, signal) => askModel(model, signal, OWN_METRICS),
    slots: (model, signal) => askModel(model, signal, OWN_SLOTS),
    close: http.close,
  };

  /** Refuses versions whose answers are not understood. Asked once for each event stream, and after a failed listing. */
  async function checkVersion(signal: AbortSignal): Promise<RouterAnswer<string>> {
    if (version !== undefined) return ok(version);
    const answer = await get('/api/version', signal, parseVersion, 'a version');
    if (!answer.ok) return answer;
    const fault = oldVersion(answer.value);
    if (fault !== undefined) return failed({ kind: 'bad_answer', message: `${endpoint.url} ${fault}` });
    version = answer.value;
    return answer;
  }

  async function listRunning(signal: AbortSignal): Promise<RouterAnswer<RunningModel[]>> {
    const listed = await get('/running', signal, parseRunning, 'a list in "running"');
    if (!listed.ok) return listed;
    running = listed.value;
    for (const model of running) seen.set(model.id, model);
    return listed;
  }

  /** The start of a model that was never listed while it ran. */
  function isUnseen(event: RouterEvent): boolean {
    return event.kind === 'status' && event.begins && !seen.has(event.model);
  }

  /** Without the event stream, models that are unlisted and stopped are those that it showed last. */
  async function listModels(signal: AbortSignal): Promise<RouterAnswer<SwapModel[]>> {
    const models = await get('/v1/models', signal, parseModels, 'a list of models in "data"');
    if (!models.ok) return models;
    const listed = new Set(models.value.map(({ id }) => id));
    return ok([...models.value, ...unlisted.filter(({ id }) => !listed.has(id))]);
  }

  async function askModel<T>(model: string, signal: AbortSignal, question: OwnQuestion<T>) {
    const states: readonly { id: string; state: string }[] = view.models ?? running;
    const isReady = states.some(({ id, state }) => id === model && state === 'ready');
    if (isReady && !seen.has(model)) {
      const listed = await listRunning(signal);
      if (!listed.ok) return listed;
    }
    const process = seen.get(model);
    if (!isReady || process === undefined) return ok({ kind: 'not_loaded' } as const);
    const url = ownUrl(process.proxy, endpoint);
    if (!url.ok) return ok({ kind: 'none', why: url.fault } as const);
    return askOwn(question, url.value, endpoint.modelTimeoutMs, signal);
  }

  async function get<T>(
    path: string,
    signal: AbortSignal,
    parse: (body: unknown) => T | undefined,
    what: string,
  ): Promise<RouterAnswer<T>> {
    const answer = await http.request('GET', path, { signal });
    if (!answer.ok) return answer;
    const { status, url, body } = answer.value;
    if (status === 404 || status === 405) return failed(notLlamaSwap(answer.value));
    if (status !== 200) return failed(faultOfResponse(answer.value));
    const json = parseJson(body);
    const parsed = parse(json);
    if (parsed !== undefined) return ok(parsed);
    if (json === undefined) return failed(notLlamaSwap(answer.value));
    return failed({ kind: 'bad_answer', message: `${url} does not answer JSON with ${what}` });
  }
}

function notLlamaSwap({ url, status, contentType }: RouterResponse): RouterFault {
  const what = status === 200 ? `${contentType || 'something'} instead of JSON` : String(status);
  return { kind: 'not_a_router', message: `${url} answers ${what}: not a llama-swap` };
}
