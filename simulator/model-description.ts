/** A model to simulate. Only the id is required. */
export interface ModelDescription {
  readonly id: string;
  readonly aliases?: readonly string[];
  readonly tags?: readonly string[];
  /** Size of the weights in bytes. Default 4.7 GB. */
  readonly sizeBytes?: number;
  readonly parameters?: number;
  /** Context size it runs with (`n_ctx`). Default 8192. */
  readonly contextTokens?: number;
  /** Context size it was trained with (`n_ctx_train`). Default: contextTokens. */
  readonly trainedContextTokens?: number;
  readonly vocabularyTokens?: number;
  readonly embeddingLength?: number;
  /** As llama.cpp prints it (`ftype`). Default `Q4_K - Medium`. */
  readonly quantization?: string;
  /** From the start of its process to `loaded`. Default 2. */
  readonly loadSeconds?: number;
  /** From the request that wakes it to `loaded`. Default: half of loadSeconds. */
  readonly wakeSeconds?: number;
  /** Default 40. */
  readonly tokensPerSecond?: number;
  /** Default: ten times tokensPerSecond. */
  readonly promptTokensPerSecond?: number;
  /** Every load fails. */
  readonly fails?: boolean;
  readonly source?: 'models_dir' | 'cache' | 'preset';
}

export type DescribedModel = Required<ModelDescription>;

/** The description with its defaults. */
export function describeModel(given: ModelDescription): DescribedModel {
  const sizeBytes = given.sizeBytes ?? 4_700_000_000;
  const contextTokens = given.contextTokens ?? 8192;
  const loadSeconds = given.loadSeconds ?? 2;
  const tokensPerSecond = given.tokensPerSecond ?? 40;
  return {
    aliases: [],
    tags: [],
    sizeBytes,
    // About 4.7 bits per weight, as the default quantization has.
    parameters: Math.round(sizeBytes / 0.59),
    contextTokens,
    trainedContextTokens: contextTokens,
    vocabularyTokens: 151_936,
    embeddingLength: 4096,
    quantization: 'Q4_K - Medium',
    loadSeconds,
    wakeSeconds: loadSeconds / 2,
    tokensPerSecond,
    promptTokensPerSecond: tokensPerSecond * 10,
    fails: false,
    source: 'models_dir',
    ...given,
  };
}

/** `meta` of listings and `loaded` events. */
export function metaOf(model: DescribedModel): Record<string, string | number> {
  return {
    vocab_type: 1,
    n_vocab: model.vocabularyTokens,
    n_ctx: model.contextTokens,
    n_ctx_train: model.trainedContextTokens,
    n_embd: model.embeddingLength,
    n_params: model.parameters,
    size: model.sizeBytes,
    ftype: model.quantization,
  };
}

export function fileOf({ id }: DescribedModel): string {
  return `/srv/models/${id}.gguf`;
}
