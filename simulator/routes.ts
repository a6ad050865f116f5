import type { Answer } from './answer.ts';
import * as answers from './answer.ts';
import { renderEngineMetrics } from './engine-metrics.ts';
import type { EventStream } from './event-stream.ts';
import { listed } from './listing.ts';
import {
  completionAnswer,
  generationOf,
  modelPropsAnswer,
  routerPropsAnswer,
  slotsAnswer,
} from './model-answers.ts';
import type { LoadEnd, Roster } from './roster.ts';
import type { Routes, SimulatorRequest } from './server.ts';
import type { RouterSettings } from './settings.ts';
import type { SimulatedModel } from './simulated-model.ts';

type Body = NonNullable<SimulatorRequest['json']>;

const LOAD_ANSWERS: Readonly<Record<LoadEnd, Answer>> = {
  started: answers.json({ success: true }),
  unknown: answers.notFound,
  running: answers.invalid('model is already running'),
  full: answers.serverError('model limit reached, try again later'),
};

export function createRoutes(roster: Roster, settings: RouterSettings, stream: EventStream): Routes {
  const nowSeconds = () => Math.floor(settings.clock.wall() / 1000);

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
      case 'GET /v1/models': {
        if (query.get('reload')) await roster.rescan();
        const data = roster.all().map((model) => listed(model, settings, nowSeconds()));
        return answers.json({ data, object: 'list' });
      }
      case 'GET /models/sse':
        return stream.attach;
      case 'POST /models/load':
        return withBody(request, async (body) => LOAD_ANSWERS[await roster.load(modelOf(body))]);
      case 'POST /models/unload':
        return withBody(request, unload);
      case 'GET /props':
        return query.get('model') ? queryModel(request) : routerPropsAnswer(settings.modelsMax);
      case 'GET /metrics':
      case 'GET /slots':
        return queryModel(request);
      case 'POST /completion':
      case 'POST /completions':
      case 'POST /v1/completions':
      case 'POST /chat/completions':
      case 'POST /v1/chat/completions':
        return withBody(request, (body) => complete(request, body));
      default:
        return answers.notFound;
    }
  };

  function unload(body: Body): Answer {
    const model = roster.find(modelOf(body));
    if (!model) return answers.invalid('model is not found');
    if (!model.isRunning()) return answers.invalid('model is not running');
    model.stop();
    return answers.json({ success: true });
  }

  /** The router forwards these requests to the model's process. */
  async function queryModel({ path, query }: SimulatorRequest): Promise<Answer> {
    const loads = mayLoad(query);
    const model = target(query.get('model') ?? '', loads);
    if ('body' in model) return model;
    const ready = loads ? await roster.ready(model) : 'ready';
    if (ready !== 'ready') return notReady(model, ready);
    if (!model.isListening()) return answers.proxyError('Could not establish connection');
    switch (path) {
      case '/metrics':
        return settings.metrics
          ? answers.exposition(renderEngineMetrics(model.engine.read()))
          : answers.noMetrics;
      case '/slots':
        // Of all queries, only this one wakes a sleeping model and keeps the others awake.
        await model.wake();
        return slotsAnswer(model, settings.slotsPerModel);
      default:
        return modelPropsAnswer(model, settings.slotsPerModel);
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
    return loads || model.isRunning() ? model : answers.invalid('model is not loaded');
  }
}

function mayLoad(query: URLSearchParams): boolean {
  return ['', 'true', '1'].includes(query.get('autoload') ?? '');
}

function withBody({ json }: SimulatorRequest, answer: (body: Body) => Answer | Promise<Answer>) {
  if (json !== undefined) return answer(json);
  return answers.invalid(
    '[json.exception.parse_error.101] parse error at line 1, column 1: syntax error while parsing value',
  );
}

function modelOf(body: Body): string {
  return typeof body.model === 'string' ? body.model : '';
}

function notReady({ description }: SimulatedModel, end: 'failed' | 'gone'): Answer {
  return answers.serverError(
    `model name=${description.id} ${end === 'gone' ? 'is not found' : 'failed to load'}`,
  );
}
