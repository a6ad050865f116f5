import { type Answer, json } from './answer.ts';
import type { DescribedModel } from './description.ts';
import type { Generation, Slot } from './engine.ts';
import { fileOf, type Launch } from './listing.ts';

export const BUILD = 'b11669-simulated';

/** Tokens a completion makes when nobody says how many. */
const USUAL_TOKENS = 128;
const BYTES_PER_TOKEN = 4;

/** llama-server's defaults, as `/slots` and `/props` of a model repeat them. */
const SAMPLING = {
  ...{ seed: 4294967295, temperature: 0.800000011920929, dynatemp_range: 0, dynatemp_exponent: 1 },
  ...{ top_k: 40, top_p: 0.949999988079071, min_p: 0.05000000074505806, top_n_sigma: -1 },
  ...{ xtc_probability: 0, xtc_threshold: 0.10000000149011612, typical_p: 1, repeat_last_n: 64 },
  ...{ repeat_penalty: 1, presence_penalty: 0, frequency_penalty: 0, dry_multiplier: 0, dry_base: 1.75 },
  ...{ dry_allowed_length: 2, dry_penalty_last_n: 64, mirostat: 0, mirostat_tau: 5 },
  ...{ mirostat_eta: 0.10000000149011612, adaptive_target: -1, adaptive_decay: 0.8999999761581421 },
  ...{ max_tokens: -1, n_predict: -1, n_keep: 0, n_discard: 0, ignore_eos: false, stream: false },
  ...{ n_probs: 0, min_keep: 0, chat_format: 'Content-only', reasoning_format: 'none' },
  ...{ reasoning_in_content: false, generation_prompt: '' },
  samplers: ['penalties', 'dry', 'top_n_sigma', 'top_k', 'typ_p', 'top_p', 'min_p', 'xtc', 'temperature'],
  ...{ 'speculative.types': 'none', timings_per_token: false, post_sampling_probs: false },
  ...{ backend_sampling: false, lora: [] },
};

/** How long the request in `body` takes this model. */
export function generationOf(body: Record<string, unknown>, model: DescribedModel): Generation {
  const wanted = [body.n_predict, body.max_tokens, body.max_completion_tokens].find(
    (tokens): tokens is number => typeof tokens === 'number' && tokens >= 0,
  );
  const prompt = JSON.stringify(body.prompt ?? body.messages ?? '');
  const promptTokens = 1 + Math.ceil(prompt.length / BYTES_PER_TOKEN);
  const tokens = wanted ?? USUAL_TOKENS;
  return {
    promptTokens,
    promptSeconds: promptTokens / model.promptTokensPerSecond,
    tokens,
    seconds: tokens / model.tokensPerSecond,
  };
}

/** The answer to a request of llama-server's own kind (`/completion`) or of OpenAI's two. */
export function completionAnswer(
  path: string,
  model: DescribedModel,
  { promptTokens, tokens }: Generation,
  nowSeconds: number,
): Answer {
  const text = 'la '.repeat(tokens).trim();
  if (!path.startsWith('/v1') && !path.startsWith('/chat')) {
    const counted = { tokens_predicted: tokens, tokens_evaluated: promptTokens };
    const start = { index: 0, content: text, tokens: [], id_slot: 0, stop: true, model: model.id };
    return json({
      ...start,
      ...counted,
      generation_settings: SAMPLING,
      stop_type: 'limit',
      truncated: false,
    });
  }
  const chat = path.includes('chat');
  const choice = chat
    ? { finish_reason: 'length', index: 0, message: { role: 'assistant', content: text } }
    : { text, index: 0, logprobs: null, finish_reason: 'length' };
  return json({
    choices: [choice],
    created: nowSeconds,
    model: model.id,
    system_fingerprint: BUILD,
    object: chat ? 'chat.completion' : 'text_completion',
    usage: {
      completion_tokens: tokens,
      prompt_tokens: promptTokens,
      total_tokens: promptTokens + tokens,
      prompt_tokens_details: { cached_tokens: 0 },
    },
    id: 'chatcmpl-simulated',
  });
}

/** A slot that never worked says less than one that did. */
export function slotsAnswer(model: DescribedModel, slots: readonly (Slot | undefined)[]): Answer {
  return json(
    slots.map((slot, id) => {
      const processing = slot?.decoded !== undefined;
      const common = { id, n_ctx: model.contextTokens, speculative: false, is_processing: processing };
      if (!slot) return common;
      const { promptTokens, tokens } = slot.generation;
      const decoded = slot.decoded ?? 0;
      return {
        ...common,
        id_task: slot.task,
        n_prompt_tokens: processing ? promptTokens + decoded : 0,
        n_prompt_tokens_processed: processing ? promptTokens : 0,
        n_prompt_tokens_cache: 0,
        params: { ...SAMPLING, max_tokens: tokens, n_predict: tokens },
        next_token: [
          {
            has_next_token: processing,
            has_new_line: false,
            n_remain: processing ? tokens - decoded : -1,
            n_decoded: decoded,
          },
        ],
      };
    }),
  );
}

/** What a model's own process says of itself. */
export function modelPropsAnswer(model: DescribedModel, launch: Launch, sleeping: boolean): Answer {
  return json({
    default_generation_settings: { params: SAMPLING, n_ctx: model.contextTokens },
    total_slots: 4,
    model_alias: model.id,
    model_ftype: model.quantization,
    model_path: fileOf(model),
    modalities: { vision: false, video: false, audio: false },
    endpoint_slots: launch.slots,
    endpoint_props: false,
    endpoint_metrics: launch.metrics,
    ui: true,
    ui_settings: {},
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
