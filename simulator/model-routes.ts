import type { Clock } from '../src/lib/clock.ts';
import type { Answer } from './answer.ts';
import * as answers from './answer.ts';
import { renderEngineMetrics } from './engine-metrics.ts';
import type { Launch } from './listing.ts';
import { completionAnswer, generationOf, modelPropsAnswer, slotsAnswer } from './model-answers.ts';
import type { Roster } from './roster.ts';
import type { SimulatedModel } from './simulated-model.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
}

export type Body = Record<string, unknown>;

export interface ModelRules {
  readonly launch: Launch;
  /** Whether a request may load its model when it does not say. */
  readonly autoload: boolean;
}

/** What the router passes on to a model's own process. */
export interface ModelRoutes {
  /** Paths of GETs about a model. */
  readonly questions: ReadonlySet<string>;
  /** Paths of POSTs that have a model generate. */
  readonly completions: ReadonlySet<string>;
  ask(asked: Asked): Promise<Answer>;
  complete(asked: Asked, body: Body): Promise<Answer>;
}

const questions = new Set(['/metrics', '/slots', '/props', '/lora-adapters']);
const completions = new Set([
  '/completion',
  '/completions',
  '/v1/completions',
  '/chat/completions',
  '/v1/chat/completions',
]);

export function createModelRoutes(roster: Roster, rules: ModelRules, clock: Clock): ModelRoutes {
  return { questions, completions, ask, complete };

  /** The model a request is for, or why it cannot be had. */
  function target(name: string, loads: boolean): SimulatedModel | Answer {
    if (name === '') return answers.invalid('model name is missing from the request');
    const model = roster.find(name);
    if (!model) return answers.invalid(`model '${name}' not found`);
    return loads || model.running ? model : answers.invalid('model is not loaded');
  }

  function mayLoad(query: URLSearchParams): boolean {
    const autoload = query.get('autoload');
    return autoload ? autoload === 'true' || autoload === '1' : rules.autoload;
  }

  async function ask({ path, query }: Asked): Promise<Answer> {
    const loads = mayLoad(query);
    const model = target(query.get('model') ?? '', loads);
    if ('body' in model) return model;
    const ready = loads ? await roster.ready(model) : 'ready';
    if (ready !== 'ready') return notReady(model, ready);
    if (!model.listening) return answers.proxyError('Could not establish connection');
    const { description } = model;
    switch (path) {
      case '/metrics':
        return rules.launch.metrics
          ? answers.exposition(renderEngineMetrics(model.engine.read()))
          : answers.unsupported('metrics');
      case '/slots':
        if (!rules.launch.slots) return answers.unsupported('slots');
        // Of all questions, this is the one that wakes a sleeper and keeps the others awake.
        await model.wake();
        return slotsAnswer(description, model.engine.slots());
      case '/props':
        return modelPropsAnswer(description, rules.launch, model.status === 'sleeping');
      default:
        return answers.json([]);
    }
  }

  async function complete({ path, query }: Asked, body: Body): Promise<Answer> {
    const loads = mayLoad(query);
    const model = target(modelOf(body), loads);
    if ('body' in model) return model;
    const generation = generationOf(body, model.description);
    const end = await roster.serve(model, generation, loads);
    switch (end) {
      case 'done':
        return completionAnswer(path, model.description, generation, Math.floor(clock.wall() / 1000));
      case 'killed':
        return answers.proxyError('Failed to read connection');
      case 'refused':
        return answers.proxyError('Could not establish connection');
      default:
        return notReady(model, end);
    }
  }
}

/** The model that a body names; empty when it names none. */
export function modelOf(body: Body): string {
  return typeof body.model === 'string' ? body.model : '';
}

function notReady({ description }: SimulatedModel, end: 'failed' | 'gone'): Answer {
  return answers.serverError(
    `model name=${description.id} ${end === 'gone' ? 'is not found' : 'failed to load'}`,
  );
}
