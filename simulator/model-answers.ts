import { type Answer, json } from './answer.ts';
import type { Generation, Slot } from './engine.ts';
import type { Launch } from './listing.ts';
import { type DescribedModel, fileOf } from './model-description.ts';

const BUILD = 'b11669-simulated';

/** Tokens of a completion without `n_predict` or `max_tokens`. */
const DEFAULT_TOKENS = 128;
const BYTES_PER_TOKEN = 4;

/** How long the request in `body` takes this model. */
export function generationOf(body: Record<string, unknown>, model: DescribedModel): Generation {
  const wanted = [body.n_predict, body.max_tokens, body.max_completion_tokens].find(
    (tokens): tokens is number => typeof tokens === 'number' && tokens >= 0,
  );
  const prompt = JSON.stringify(body.prompt ?? body.messages ?? '');
  const promptTokens = 1 + Math.ceil(prompt.length / BYTES_PER_TOKEN);
  const tokens = wanted ?? DEFAULT_TOKENS;
  return {
    promptTokens,
    promptSeconds: promptTokens / model.promptTokensPerSecond,
    tokens,
    seconds: tokens / model.tokensPerSecond,
  };
}

/** The answer to `/completion` or to one of OpenAI's two endpoints. */
export function completionAnswer(
  path: string,
  { id: model }: DescribedModel,
  { promptTokens, tokens }: Generation,
  nowSeconds: number,
): Answer {
  const text = 'la '.repeat(tokens).trim();
  if (!path.startsWith('/v1') && !path.startsWith('/chat')) {
    const counts = { tokens_predicted: tokens, tokens_evaluated: promptTokens };
    return json({ index: 0, content: text, id_slot: 0, stop: true, model, ...counts, stop_type: 'limit' });
  }
  const chat = path.includes('chat');
  const choice = chat
    ? { finish_reason: 'length', index: 0, message: { role: 'assistant', content: text } }
    : { text, index: 0, logprobs: null, finish_reason: 'length' };
  return json({
    choices: [choice],
    created: nowSeconds,
    model,
    system_fingerprint: BUILD,
    object: chat ? 'chat.completion' : 'text_completion',
    usage: {
      completion_tokens: tokens,
      prompt_tokens: promptTokens,
      total_tokens: promptTokens + tokens,
    },
    id: 'chatcmpl-simulated',
  });
}

/** The fields of `/slots` that say whether a slot works; llama-server adds its sampling parameters. */
export function slotsAnswer(model: DescribedModel, slots: readonly (Slot | undefined)[]): Answer {
  return json(
    slots.map((slot, id) => {
      const processing = slot?.decoded !== undefined;
      const common = { id, n_ctx: model.contextTokens, speculative: false, is_processing: processing };
      if (!slot) return common;
      return {
        ...common,
        id_task: slot.task,
        next_token: [{ has_next_token: processing, n_decoded: slot.decoded ?? 0 }],
      };
    }),
  );
}

/** `/props` of a model's process. */
export function modelPropsAnswer(model: DescribedModel, launch: Launch, sleeping: boolean): Answer {
  return json({
    total_slots: 4,
    model_alias: model.id,
    model_ftype: model.quantization,
    model_path: fileOf(model),
    modalities: { vision: false, video: false, audio: false },
    endpoint_slots: launch.slots,
    endpoint_props: false,
    endpoint_metrics: launch.metrics,
    build_info: BUILD,
    is_sleeping: sleeping,
  });
}

export function routerPropsAnswer(modelsMax: number, autoload: boolean): Answer {
  return json({
    role: 'router',
    max_instances: modelsMax,
    models_autoload: autoload,
    model_alias: 'llama-server',
    model_path: 'none',
    default_generation_settings: { params: null, n_ctx: 0 },
    ui_settings: {},
    build_info: BUILD,
    cors_proxy_enabled: false,
  });
}
