import type { ModelDescription } from '../../simulator/model-description.ts';

const GB = 1_000_000_000;

/** Models as people run them, at sizes that do not all fit into memory at the same time. */
const MODELS: readonly ModelDescription[] = [
  { id: 'qwen3-8b', aliases: ['default'], sizeBytes: 5 * GB, loadSeconds: 3, tokensPerSecond: 70 },
  { id: 'gemma-3-27b', sizeBytes: 16.5 * GB, loadSeconds: 8, tokensPerSecond: 28, contextTokens: 16_384 },
  {
    id: 'ggml-org/gpt-oss-20b-GGUF:MXFP4',
    sizeBytes: 12.1 * GB,
    loadSeconds: 6,
    quantization: 'MXFP4 MoE',
    source: 'cache',
  },
  {
    id: 'mistral-small-24b',
    sizeBytes: 14.3 * GB,
    loadSeconds: 7,
    tokensPerSecond: 32,
    contextTokens: 32_768,
  },
  {
    id: 'nomic-embed-text',
    sizeBytes: 0.15 * GB,
    loadSeconds: 0.4,
    tokensPerSecond: 900,
    quantization: 'F16',
  },
  { id: 'llama-3.3-70b', sizeBytes: 42.5 * GB, loadSeconds: 15, tokensPerSecond: 12 },
];

/** The given number of models; those after the sixth are generic. */
export function demoModels(count: number): ModelDescription[] {
  const extras = Array.from({ length: Math.max(0, count - MODELS.length) }, (_, index) => ({
    id: `model-${String(index + 1).padStart(4, '0')}`,
  }));
  return [...MODELS.slice(0, count), ...extras];
}

/** Groups of these models in a llama-swap: two that fit together, one that stays loaded; the others take turns with all. */
export const DEMO_GROUPS = {
  small: { members: ['qwen3-8b', 'ggml-org/gpt-oss-20b-GGUF:MXFP4'], swap: false },
  embeddings: { members: ['nomic-embed-text'], swap: false, exclusive: false, persistent: true },
};
