import type { Clock } from '../src/lib/clock.ts';
import type { Answer } from './answer.ts';
import * as answers from './answer.ts';
import type { DownloadPlan } from './download.ts';
import type { RenderListing } from './listing.ts';
import { routerPropsAnswer } from './model-answers.ts';
import { type Asked, type Body, createModelRoutes, type ModelRules, modelOf } from './model-routes.ts';
import type { Roster } from './roster.ts';

/** `stream`: the asker wants to hear the events. */
export type Routes = (asked: Asked) => Promise<Answer | 'stream'>;

export interface RouterRules extends ModelRules {
  readonly modelsMax: number;
  readonly eventStream: boolean;
  /** What `POST /models` downloads turn out to be. */
  readonly downloads: DownloadPlan;
  readonly renderListing: RenderListing;
}

/** What a router answers to what. */
export function createRoutes(roster: Roster, rules: RouterRules, clock: Clock): Routes {
  const ofModel = createModelRoutes(roster, rules, clock);

  return async (asked) => {
    const { method, path, query } = asked;
    if (method === 'OPTIONS') return answers.page('');
    await roster.refresh();
    switch (`${method === 'HEAD' ? 'GET' : method} ${path}`) {
      case 'GET /':
        return answers.page('<!DOCTYPE html>\n<title>A simulated llama.cpp router</title>\n');
      case 'GET /health':
      case 'GET /v1/health':
        return answers.json({ status: 'ok' });
      case 'GET /models':
      case 'GET /v1/models':
        if (query.get('reload')) await roster.rescan();
        return answers.jsonText(rules.renderListing(roster.all(), Math.floor(clock.wall() / 1000)));
      case 'GET /models/sse':
        return rules.eventStream ? 'stream' : answers.notFound;
      case 'POST /models/load':
        return withBody(asked, load);
      case 'POST /models/unload':
        return withBody(asked, unload);
      case 'POST /models':
        return withBody(asked, download);
      case 'DELETE /models':
        return remove(query.get('model') ?? '');
      case 'GET /props':
        if (!query.get('model')) return routerPropsAnswer(rules.modelsMax, rules.autoload);
        return ofModel.ask(asked);
      default:
        if (method === 'GET' && ofModel.questions.has(path)) return ofModel.ask(asked);
        if (method === 'POST' && ofModel.completions.has(path)) {
          return withBody(asked, (body) => ofModel.complete(asked, body));
        }
        return answers.notFound;
    }
  };

  async function load(body: Body): Promise<Answer> {
    const end = await roster.load(modelOf(body));
    switch (end) {
      case 'started':
        return answers.success;
      case 'unknown':
        return answers.notFound;
      case 'running':
        return answers.invalid('model is already running');
      case 'full':
        return answers.serverError('model limit reached, try again later');
    }
  }

  function unload(body: Body): Answer {
    const name = modelOf(body);
    const download = roster.downloading(name);
    const model = roster.find(name);
    if (download) download.cancel();
    else if (!model) return answers.invalid('model is not found');
    else if (!model.running) return answers.invalid('model is not running');
    else model.stop();
    return answers.success;
  }

  function download(body: Body): Answer {
    const id = modelOf(body);
    if (id === '') return answers.invalid('model must be a non-empty string');
    if (!/^[^/]+\/[^/]+$/.test(id)) {
      return answers.invalid('error: invalid HF repo format, expected <user>/<model>[:quant]\n');
    }
    if (roster.find(id) || roster.downloading(id)) return answers.invalid(`model '${id}' already exists`);
    roster.download(id, rules.downloads);
    return answers.success;
  }

  async function remove(id: string): Promise<Answer> {
    if (id === '') return answers.invalid('model must be a non-empty string');
    const listed = roster.downloading(id) ?? roster.find(id);
    if (!listed) return answers.serverError(`model name=${id} is not found`);
    if (listed.description.source !== 'cache') {
      return answers.serverError(`model name=${id} is not removable (not from cache)`);
    }
    await roster.remove(id);
    return answers.success;
  }
}

function withBody(asked: Asked, answer: (body: Body) => Answer | Promise<Answer>): Answer | Promise<Answer> {
  const body = parsed(asked.body);
  if (body === undefined) {
    return answers.invalid(
      '[json.exception.parse_error.101] parse error at line 1, column 1: syntax error while parsing value',
    );
  }
  return answer(typeof body === 'object' && body !== null ? (body as Body) : {});
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
