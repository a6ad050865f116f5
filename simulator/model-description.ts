/** A model to simulate. Only the id is required. */
export interface ModelDescription {
  readonly id: string;
  readonly aliases?: readonly string[];
  readonly tags?: readonly string[];
  /** Size of the weights in bytes. Default 4.7 GB. */
  readonly sizeBytes?: number;
  /** Default 8192. */
  readonly contextTokens?: number;
  /** As llama.cpp prints it (`ftype`). Default `Q4_K - Medium`. */
  readonly quantization?: string;
  /** From the start of its process to `loaded`. Default 2. */
  readonly loadSeconds?: number;
  /** From the request that wakes it to `loaded`. Default: half of loadSeconds. */
  readonly wakeSeconds?: number;
  /** When generating; prompts are ten times as fast. Default 40. */
  readonly tokensPerSecond?: number;
  /** Every load fails. */
  readonly fails?: boolean;
  readonly source?: 'models_dir' | 'cache' | 'preset';
}

export type DescribedModel = Required<ModelDescription>;

/** Length of the vectors that stand for a token (`n_embd`). */
export const EMBEDDING_LENGTH = 4096;

/** The description with its defaults. */
export function describeModel(given: ModelDescription): DescribedModel {
  return {
    aliases: [],
    tags: [],
    sizeBytes: 4_700_000_000,
    contextTokens: 8192,
    quantization: 'Q4_K - Medium',
    loadSeconds: 2,
    wakeSeconds: (given.loadSeconds ?? 2) / 2,
    tokensPerSecond: 40,
    fails: false,
    source: 'models_dir',
    ...given,
  };
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
