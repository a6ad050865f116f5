import type { Clock } from '../src/lib/clock.ts';
import * as answers from './answer.ts';
import { type DescribedModel, metaOf } from './description.ts';
import { createEngine } from './engine.ts';
import { renderEngineMetrics } from './engine-metrics.ts';
import { fileOf, type Launch } from './listing.ts';
import { completionAnswer, generationOf, modelPropsAnswer, slotsAnswer } from './model-answers.ts';
import type { Routes } from './routes.ts';

/** llama-server started with a model, which is no router: always loaded, no statuses, no stream, nothing to load. */
export function createSingleRoutes(
  model: DescribedModel,
  launch: Launch,
  slots: number,
  clock: Clock,
): Routes {
  const engine = createEngine(clock, slots);
  const nowSeconds = () => Math.floor(clock.wall() / 1000);

  return async ({ method, path, body }) => {
    switch (`${method} ${path}`) {
      case 'GET /health':
      case 'GET /v1/health':
        return answers.json({ status: 'ok' });
      case 'GET /models':
      case 'GET /v1/models':
        return answers.json(singleListing(model, nowSeconds()));
      case 'GET /props':
        return modelPropsAnswer(model, launch, false);
      case 'GET /slots':
        return launch.slots ? slotsAnswer(model, engine.slots()) : answers.unsupported('slots');
      case 'GET /metrics':
        return launch.metrics
          ? answers.exposition(renderEngineMetrics(engine.read()))
          : answers.unsupported('metrics');
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

function singleListing(model: DescribedModel, nowSeconds: number) {
  const file = fileOf(model);
  const about = { modified_at: '', size: '', digest: '', type: 'model', description: '', tags: [''] };
  const details = { parent_model: '', format: 'gguf', family: '', families: [''] };
  const unknown = { parameter_size: '', quantization_level: '' };
  const capabilities = { capabilities: ['completion'], parameters: '', details: { ...details, ...unknown } };
  return {
    models: [{ name: file, model: file, ...about, ...capabilities }],
    object: 'list',
    data: [
      {
        id: file,
        aliases: [file],
        tags: [],
        object: 'model',
        architecture: { input_modalities: ['text'], output_modalities: ['text'] },
        created: nowSeconds,
        owned_by: 'llamacpp',
        meta: metaOf(model),
      },
    ],
  };
}
