import * as answers from '../../../simulator/answer.ts';
import { createEngine } from '../../../simulator/engine.ts';
import { renderEngineMetrics } from '../../../simulator/engine-metrics.ts';
import {
  completionAnswer,
  generationOf,
  modelPropsAnswer,
  slotsAnswer,
} from '../../../simulator/model-answers.ts';
import { type DescribedModel, fileOf, metaOf } from '../../../simulator/model-description.ts';
import type { Routes } from '../../../simulator/routes.ts';
import type { Clock } from '../../../src/lib/clock.ts';

/** llama-server started with one model: not a router, always loaded, no statuses, no event stream. */
export function createSingleModelRoutes(model: DescribedModel, clock: Clock): Routes {
  const engine = createEngine(clock, 4);
  const launch = { metrics: true, slots: true, sleepIdleSeconds: -1 };
  const nowSeconds = () => Math.floor(clock.wall() / 1000);

  return async ({ method, path, body }) => {
    switch (`${method} ${path}`) {
      case 'GET /health':
      case 'GET /v1/health':
        return answers.json({ status: 'ok' });
      case 'GET /models':
      case 'GET /v1/models':
        return answers.json(listing(model, nowSeconds()));
      case 'GET /props':
        return modelPropsAnswer(model, launch, false);
      case 'GET /slots':
        return slotsAnswer(model, engine.slots());
      case 'GET /metrics':
        return answers.exposition(renderEngineMetrics(engine.read()));
      case 'POST /completion':
      case 'POST /v1/completions':
      case 'POST /v1/chat/completions': {
        const generation = generationOf(JSON.parse(body), model);
        await engine.generate(generation);
        return completionAnswer(path, model, generation, nowSeconds());
      }
      default:
        return answers.notFound;
    }
  };
}

function listing(model: DescribedModel, nowSeconds: number) {
  const file = fileOf(model);
  const ollama = { name: file, model: file, modified_at: '', size: '', digest: '', type: 'model' };
  const entry = {
    id: file,
    aliases: [file],
    tags: [],
    object: 'model',
    architecture: { input_modalities: ['text'], output_modalities: ['text'] },
    created: nowSeconds,
    owned_by: 'llamacpp',
    meta: metaOf(model),
  };
  return { models: [ollama], object: 'list', data: [entry] };
}
