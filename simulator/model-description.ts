const DEFAULTS = {
  aliases: [] as readonly string[],
  tags: [] as readonly string[],
  /** Size of the weights in bytes. */
  sizeBytes: 4_700_000_000,
  contextTokens: 8192,
  /** As llama.cpp prints it (`ftype`). */
  quantization: 'Q4_K - Medium',
  /** From the start of its process to `loaded`. */
  loadSeconds: 2,
  /** From the request that wakes it to `loaded`. Default: half of loadSeconds. */
  wakeSeconds: 1,
  /** When generating; prompts are ten times as fast. */
  tokensPerSecond: 40,
  /** Every load fails. */
  fails: false,
  source: 'models_dir' as 'models_dir' | 'cache' | 'preset',
};

export type DescribedModel = Readonly<typeof DEFAULTS & { id: string }>;

/** A model to simulate. Only the id is required. */
export type ModelDescription = Pick<DescribedModel, 'id'> & Partial<DescribedModel>;

/** Length of the vectors that stand for a token (`n_embd`). */
export const EMBEDDING_LENGTH = 4096;

export function describeModel(given: ModelDescription): DescribedModel {
  return { ...DEFAULTS, wakeSeconds: (given.loadSeconds ?? DEFAULTS.loadSeconds) / 2, ...given };
}

/** `meta` of listings and `loaded` events. */
export function metaOf(model: DescribedModel): Record<string, string | number> {
  return {
    vocab_type: 1,
    n_vocab: 151_936,
    n_ctx: model.contextTokens,
    n_ctx_train: model.contextTokens,
    n_embd: EMBEDDING_LENGTH,
    // About 4.7 bits per weight, as the default quantization has.
    n_params: Math.round(model.sizeBytes / 0.59),
    size: model.sizeBytes,
    ftype: model.quantization,
  };
}

export function fileOf({ id }: DescribedModel): string {
  return `/srv/models/${id}.gguf`;
}
