import { failed, ok } from '../lib/result.ts';
import type { Answer, Fault, RouterFeed } from '../models/feed.ts';
import { followEvents } from './events.ts';
import { faultOfStatus } from './fault.ts';
import { createRouterHttp, type Endpoint, type Response } from './http.ts';
import { parseJson, parseListing, parseProps } from './schemas.ts';

/** What a router said to a request for a load or an unload. `accepted` is no outcome yet: it answers at once. */
export type Asked = 'accepted' | 'not_running' | 'already_running' | 'unknown_model';

/** A model's own metrics, or why there are none now. */
export type EngineMetrics = { kind: 'text'; text: string } | { kind: 'not_loaded' } | { kind: 'disabled' };

/** A llama.cpp router as typed calls. No call throws; each ends within the request timeout. */
export interface RouterClient extends RouterFeed {
  load(model: string, signal: AbortSignal): Promise<Answer<Asked>>;
  unload(model: string, signal: AbortSignal): Promise<Answer<Asked>>;
  /** Never loads the model: `autoload=false` is always sent. */
  metrics(model: string, signal: AbortSignal): Promise<Answer<EngineMetrics>>;
  close(): Promise<void>;
}

export function createRouterClient(endpoint: Endpoint): RouterClient {
  const http = createRouterHttp(endpoint);
  return {
    async list(signal) {
      const answer = await http.request('GET', '/models', { signal });
      if (!answer.ok) return answer;
      const { status, body, url } = answer.value;
      if (status !== 200) return failed(faultOfStatus(status, url, body));
      const listing = parseListing(parseJson(body));
      return listing ? ok(listing) : failed(notAList(answer.value));
    },
    async props(signal) {
      const answer = await http.request('GET', '/props', { signal });
      if (!answer.ok) return answer;
      const { status, body, url } = answer.value;
      if (status !== 200) return failed(faultOfStatus(status, url, body));
      const props = parseProps(parseJson(body));
      return props ? ok(props) : failed(notARouter(url));
    },
    follow: (signal, opened, event) => followEvents(http, signal, opened, event),
    load: (model, signal) => ask('/models/load', model, signal),
    unload: (model, signal) => ask('/models/unload', model, signal),
    async metrics(model, signal) {
      const path = `/metrics?model=${encodeURIComponent(model)}&autoload=false`;
      const answer = await http.request('GET', path, { signal, maxBytes: 4 * 1024 * 1024, passedOn: true });
      if (!answer.ok) return answer;
      const { status, body, url } = answer.value;
      if (status === 200) return ok({ kind: 'text', text: body });
      if (status === 501) return ok({ kind: 'disabled' });
      if (status === 400 && errorMessage(body).includes('not loaded')) return ok({ kind: 'not_loaded' });
      return failed(faultOfStatus(status, url, body));
    },
    close: http.close,
  };

  async function ask(path: string, model: string, signal: AbortSignal): Promise<Answer<Asked>> {
    const answer = await http.request('POST', path, { signal, json: { model } });
    if (!answer.ok) return answer;
    const { status, body, url } = answer.value;
    if (status === 200) return ok('accepted');
    const message = errorMessage(body);
    if (message.includes('not running')) return ok('not_running');
    if (message.includes('already running')) return ok('already_running');
    if (message.includes('not found') && status === 400) return ok('unknown_model');
    // b11669 answers a load of what it does not know with the 404 of its web server.
    if (path === '/models/load' && status === 404) return ok('unknown_model');
    return failed(faultOfStatus(status, url, body));
  }
}

function errorMessage(body: string): string {
  const parsed = parseJson(body) as { error?: { message?: unknown } } | undefined;
  return typeof parsed?.error?.message === 'string' ? parsed.error.message : '';
}

const NO_LIST = 'JSON that is no list of models ({"data": […]})';

function notAList({ body, url, contentType }: Response): Fault {
  if (!contentType.includes('json') && !body.trimStart().startsWith('{')) {
    return { kind: 'not_a_router', message: `${url} answers ${contentType || 'something'} instead of JSON` };
  }
  const what = parseJson(body) === undefined ? 'text that is not JSON, or only a part of it' : NO_LIST;
  return { kind: 'bad_answer', message: `${url} answers ${what}` };
}

function notARouter(url: string): Fault {
  return {
    kind: 'not_a_router',
    message: `${url} does not say "role":"router": a llama-server started with -m, an old build or another server`,
  };
}
