import type { Clock } from '../src/lib/clock.ts';
import type { Answer } from './answer.ts';
import * as answers from './answer.ts';
import { renderEngineMetrics } from './engine-metrics.ts';
import type { Launch, RenderListing } from './listing.ts';
import {
  completionAnswer,
  generationOf,
  modelPropsAnswer,
  routerPropsAnswer,
  slotsAnswer,
} from './model-answers.ts';
import type { Roster } from './roster.ts';
import type { SimulatedModel } from './simulated-model.ts';

export interface SimulatorRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
}

/** `stream`: the request is for the event stream. */
export type Routes = (request: SimulatorRequest) => Promise<Answer | 'stream'>;

export interface RouterOptions {
  readonly launch: Launch;
  readonly modelsMax: number;
  /** Whether a request loads its model when it does not say. */
  readonly autoload: boolean;
  readonly renderListing: RenderListing;
}

type Body = Record<string, unknown>;

/** GET paths that the router forwards to the model's process. */
const MODEL_QUERIES = new Set(['/metrics', '/slots', '/props', '/lora-adapters']);

const COMPLETIONS = new Set([
  '/completion',
  '/completions',
  '/v1/completions',
  '/chat/completions',
  '/v1/chat/completions',
]);

export function createRoutes(roster: Roster, options: RouterOptions, clock: Clock): Routes {
  const { launch } = options;
  const nowSeconds = () => Math.floor(clock.wall() / 1000);

  return async (request) => {
    const { method, path, query } = request;
    if (method === 'OPTIONS') return answers.page('');
    switch (`${method === 'HEAD' ? 'GET' : method} ${path}`) {
      case 'GET /':
        return answers.page('<!DOCTYPE html>\n<title>A simulated llama.cpp router</title>\n');
      case 'GET /health':
      case 'GET /v1/health':
        return answers.json({ status: 'ok' });
      case 'GET /models':
      case 'GET /v1/models':
        if (query.get('reload')) await roster.rescan();
        return answers.jsonText(options.renderListing(roster.all(), nowSeconds()));
      case 'GET /models/sse':
        return 'stream';
      case 'POST /models/load':
        return withBody(request, load);
      case 'POST /models/unload':
        return withBody(request, unload);
      case 'GET /props':
        if (!query.get('model')) return routerPropsAnswer(options.modelsMax, options.autoload);
        return queryModel(request);
      default:
        if (method === 'GET' && MODEL_QUERIES.has(path)) return queryModel(request);
        if (method === 'POST' && COMPLETIONS.has(path))
          return withBody(request, (body) => complete(request, body));
        return answers.notFound;
    }
  };

  async function load(body: Body): Promise<Answer> {
    switch (await roster.load(modelOf(body))) {
      case 'started':
        return answers.json({ success: true });
      case 'unknown':
        return answers.notFound;
      case 'running':
        return answers.invalid('model is already running');
      case 'full':
        return answers.serverError('model limit reached, try again later');
    }
  }

  function unload(body: Body): Answer {
    const model = roster.find(modelOf(body));
    if (!model) return answers.invalid('model is not found');
    if (!model.running) return answers.invalid('model is not running');
    model.stop();
    return answers.json({ success: true });
  }

  async function queryModel({ path, query }: SimulatorRequest): Promise<Answer> {
    const loads = mayLoad(query);
    const model = target(query.get('model') ?? '', loads);
    if ('body' in model) return model;
    const ready = loads ? await roster.ready(model) : 'ready';
    if (ready !== 'ready') return notReady(model, ready);
    if (!model.listening) return answers.proxyError('Could not establish connection');
    switch (path) {
      case '/metrics':
        return launch.metrics
          ? answers.exposition(renderEngineMetrics(model.engine.read()))
          : answers.unsupported('metrics');
      case '/slots':
        if (!launch.slots) return answers.unsupported('slots');
        // Of all queries, only this one wakes a sleeping model and keeps the others awake.
        await model.wake();
        return slotsAnswer(model.description, model.engine.slots());
      case '/props':
        return modelPropsAnswer(model.description, launch, model.status === 'sleeping');
      default:
        return answers.json([]);
    }
  }

  async function complete({ path, query }: SimulatorRequest, body: Body): Promise<Answer> {
    const loads = mayLoad(query);
    const model = target(modelOf(body), loads);
    if ('body' in model) return model;
    const generation = generationOf(body, model.description);
    const end = await roster.serve(model, generation, loads);
    switch (end) {
      case 'done':
        return completionAnswer(path, model.description, generation, nowSeconds());
      case 'killed':
        return answers.proxyError('Failed to read connection');
      case 'refused':
        return answers.proxyError('Could not establish connection');
      default:
        return notReady(model, end);
    }
  }

  /** The model a request is for, or the error. */
  function target(name: string, loads: boolean): SimulatedModel | Answer {
    if (name === '') return answers.invalid('model name is missing from the request');
    const model = roster.find(name);
    if (!model) return answers.invalid(`model '${name}' not found`);
    return loads || model.running ? model : answers.invalid('model is not loaded');
  }

  function mayLoad(query: URLSearchParams): boolean {
    const autoload = query.get('autoload');
    return autoload ? autoload === 'true' || autoload === '1' : options.autoload;
  }
}

function withBody(request: SimulatorRequest, answer: (body: Body) => Answer | Promise<Answer>) {
  let body: unknown;
  try {
    body = JSON.parse(request.body);
  } catch {
    return answers.invalid(
      '[json.exception.parse_error.101] parse error at line 1, column 1: syntax error while parsing value',
    );
  }
  return answer(typeof body === 'object' && body !== null ? (body as Body) : {});
}

function modelOf(body: Body): string {
  return typeof body.model === 'string' ? body.model : '';
}

function notReady({ description }: SimulatedModel, end: 'failed' | 'gone'): Answer {
  return answers.serverError(
    `model name=${description.id} ${end === 'gone' ? 'is not found' : 'failed to load'}`,
  );
}
