import type { EngineReadings } from './engine.ts';

type EngineFamily = [name: string, help: string, value: (readings: EngineReadings) => number];

/** llama-server's metrics with its HELP texts, in its order. */
const COUNTERS: readonly EngineFamily[] = [
  [
    'prompt_tokens_total',
    'Number of prompt tokens processed, excluding cached tokens',
    (r) => r.promptTokens,
  ],
  ['prompt_tokens_cached_total', 'Number of prompt tokens reused from the cache', () => 0],
  ['prompt_seconds_total', 'Total time spent processing prompts', (r) => r.promptSeconds],
  ['tokens_predicted_total', 'Number of generation tokens processed', (r) => r.predictedTokens],
  ['tokens_predicted_seconds_total', 'Total time spent generating tokens', (r) => r.predictedSeconds],
  [
    'n_decode_total',
    'Total number of llama_decode() calls, excluding speculative decoding and multimodal decoding',
    (r) => Math.round(r.decodes),
  ],
  ['n_tokens_max', 'Largest observed sequence length (prompt + generation)', (r) => r.longestSequence],
  ['spec_decode_num_draft_tokens_total', 'Speculative: Total draft tokens generated', () => 0],
  [
    'spec_decode_num_accepted_tokens_total',
    'Speculative: Total draft tokens accepted by the target model',
    () => 0,
  ],
  ['spec_decode_num_drafts_total', 'Speculative: Total speculative decoding verification steps', () => 0],
];

const GAUGES: readonly EngineFamily[] = [
  ['prompt_tokens_seconds', 'Average prompt throughput in tokens/s', (r) => r.recentPromptRate],
  ['predicted_tokens_seconds', 'Average generation throughput in tokens/s', (r) => r.recentPredictedRate],
  ['requests_processing', 'Number of requests processing', (r) => r.processing],
  ['requests_deferred', 'Number of requests deferred', (r) => r.deferred],
  [
    'n_busy_slots_per_decode',
    'Average number of busy slots per llama_decode() call',
    (r) => (r.decodes > 0 ? r.decodedTokens / r.decodes : 0),
  ],
];

/** The answer of a loaded or sleeping model to `/metrics`. */
export function renderEngineMetrics(readings: EngineReadings): string {
  const render = (type: string) => {
    return ([name, help, value]: EngineFamily) =>
      `# HELP llamacpp:${name} ${help}\n# TYPE llamacpp:${name} ${type}\nllamacpp:${name} ${sixDigits(value(readings))}\n`;
  };
  return [...COUNTERS.map(render('counter')), ...GAUGES.map(render('gauge'))].join('');
}

/** llama-server prints fractions with six significant digits, counts in full. */
function sixDigits(value: number): string {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
}
