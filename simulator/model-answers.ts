import { type Answer, json } from './answer.ts';
import type { Generation } from './engine.ts';
import { type DescribedModel, fileOf } from './model-description.ts';
import type { SimulatedModel } from './simulated-model.ts';

const BUILD = 'b11669-simulated';

/** Tokens of a completion without `n_predict` or `max_tokens`. */
const DEFAULT_TOKENS = 128;
const BYTES_PER_TOKEN = 4;

/** A request for a model, as a client sends it to a simulated server. */
export interface SimulatedRequest {
  /** Time of generating, after a prompt that takes no time. Default: what the tokens take. */
  readonly seconds?: number;
  /** Default 128. */
  readonly tokens?: number | undefined;
  /** Default 32. */
  readonly promptTokens?: number;
}

/** What such a request has the model do. */
export function requestedGeneration(
  { tokens = DEFAULT_TOKENS, promptTokens = 32, seconds }: SimulatedRequest,
  { tokensPerSecond }: DescribedModel,
): Generation {
  return {
    promptTokens,
    promptSeconds: seconds === undefined ? promptTokens / (10 * tokensPerSecond) : 0,
    tokens,
    seconds: seconds ?? tokens / tokensPerSecond,
  };
}

/** What the request in `body` has the model do. */
export function generationOf(body: Readonly<Record<string, unknown>>, model: DescribedModel): Generation {
  const tokens = [body.n_predict, body.max_tokens, body.max_completion_tokens].find(
    (count): count is number => typeof count === 'number' && count >= 0,
  );
  const prompt = JSON.stringify(body.prompt ?? body.messages ?? '');
  return requestedGeneration({ promptTokens: 1 + Math.ceil(prompt.length / BYTES_PER_TOKEN), tokens }, model);
}

/** The answer to `/completion` or to one of OpenAI's two endpoints. */
export function completionAnswer(
  path: string,
  { id: model }: DescribedModel,
  { promptTokens, tokens }: Generation,
  created: number,
): Answer {
  const text = 'la '.repeat(tokens).trim();
  const common = { model, created, system_fingerprint: BUILD, id: 'chatcmpl-simulated' };
  const usage = {
    completion_tokens: tokens,
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + tokens,
  };
  if (path.includes('chat')) {
    const message = { role: 'assistant', content: text };
    const choices = [{ finish_reason: 'length', index: 0, message }];
    return json({ choices, object: 'chat.completion', usage, ...common });
  }
  if (path.startsWith('/v1')) {
    const choices = [{ text, index: 0, logprobs: null, finish_reason: 'length' }];
    return json({ choices, object: 'text_completion', usage, ...common });
  }
  const counts = { tokens_predicted: tokens, tokens_evaluated: promptTokens };
  return json({ index: 0, content: text, id_slot: 0, stop: true, model, ...counts, stop_type: 'limit' });
}

/** The fields of `/slots` that say whether a slot works; llama-server adds more. */
export function slotsAnswer(
  { description, engine }: Pick<SimulatedModel, 'description' | 'engine'>,
  slots: number,
): Answer {
  const n_ctx = description.contextTokens;
  return json(
    Array.from({ length: slots }, (_, id) => ({
      id,
      n_ctx,
      speculative: false,
      is_processing: id < engine.processing(),
    })),
  );
}

/** `/props` of a model's process. */
export function modelPropsAnswer(
  { description, status }: Pick<SimulatedModel, 'description' | 'status'>,
  slots: number,
): Answer {
  return json({
    total_slots: slots,
    model_alias: description.id,
    model_ftype: description.quantization,
    model_path: fileOf(description),
    build_info: BUILD,
    is_sleeping: status === 'sleeping',
  });
}

export function routerPropsAnswer(modelsMax: number): Answer {
  return json({
    role: 'router',
    max_instances: modelsMax,
    models_autoload: true,
    model_alias: 'llama-server',
    model_path: 'none',
    default_generation_settings: { params: null, n_ctx: 0 },
    ui_settings: {},
    build_info: BUILD,
    cors_proxy_enabled: false,
  });
}
