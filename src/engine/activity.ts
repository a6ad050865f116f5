import type { Samples } from '../metrics/family.ts';
import type { Activity } from '../models/router-state.ts';

/** Gauges of requests: more than none is busy. */
const REQUESTS = ['llamacpp:requests_processing', 'llamacpp:requests_deferred'];

/** Counters that move with every request, prompt processing and generation. */
const WORK = ['llamacpp:prompt_tokens_total', 'llamacpp:tokens_predicted_total', 'llamacpp:n_decode_total'];

/**
 * What these metrics, read at `at`, say after what was known before. A model that is busy is active now; one
 * whose counters have moved since the last reading was active since: the reading is the best that is known.
 * Counters that went back belong to a new process, which was active if they are not 0. The first reading alone
 * tells no time: work that was done before we looked was done at some time before. Undefined without the gauges.
 */
export function activityOf(
  own: readonly Samples[],
  at: number,
  before: Activity | undefined,
): Activity | undefined {
  const requests = sumOf(own, REQUESTS);
  if (requests === undefined) return undefined;
  const busy = requests > 0;
  const work = sumOf(own, WORK) ?? 0;
  const moved = before !== undefined && (work > before.work || (work < before.work && work > 0));
  const lastAt = busy || moved ? at : before?.lastAt;
  return { busy, watchedAt: before?.watchedAt ?? at, work, ...(lastAt !== undefined && { lastAt }) };
}

function sumOf(own: readonly Samples[], names: readonly string[]): number | undefined {
  const rows = own.filter(({ family }) => names.includes(family.name)).flatMap(({ rows }) => rows);
  return rows.length === 0 ? undefined : rows.reduce((sum, { value }) => sum + value, 0);
}
