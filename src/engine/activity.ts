import type { RouterClient } from '../backends/llama-server/client.ts';
import type { Samples } from '../metrics/family.ts';
import { parseExposition } from '../metrics/parse.ts';
import type { RouterFault } from '../models/feed.ts';
import { setActivity } from '../models/observations.ts';
import type { Activity, RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';

/** Gauges of requests: above 0 means busy. */
const REQUESTS = ['llamacpp:requests_processing', 'llamacpp:requests_deferred'];

/** Counters that move with every request: prompt processing and generation. */
const WORK = ['llamacpp:prompt_tokens_total', 'llamacpp:tokens_predicted_total', 'llamacpp:n_decode_total'];

/**
 * The activity that a model's own metrics show at `at`, given the activity before. Counters that moved since the last
 * reading mean activity since then, dated at this reading; counters that went back belong to a new process, which was
 * active unless they are 0. The first reading dates no earlier activity. Undefined without the gauges.
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
  return { busy, watchedAt: before?.watchedAt ?? at, work, lastAt };
}

function sumOf(own: readonly Samples[], names: readonly string[]): number | undefined {
  const rows = own.filter(({ family }) => names.includes(family.name)).flatMap(({ rows }) => rows);
  return rows.length === 0 ? undefined : rows.reduce((sum, { value }) => sum + value, 0);
}

/** The answer of an activity probe. */
export type ProbeResult =
  | { kind: 'idle' | 'busy' | 'gone' }
  /** `lasting`: another probe will not help. */
  | { kind: 'unknown'; why: string; lasting: boolean };

export interface ProbeParts {
  store: Store;
  router: RouterState;
  client: Pick<RouterClient, 'metrics' | 'slots'>;
  signal: AbortSignal;
}

/**
 * Asks a loaded model whether it is busy, directly before a decision. Not for monitoring: on a router without
 * `--metrics` it reads the slots, which keeps the model awake. Never call it for a sleeping model.
 */
export async function probeActivity(model: string, parts: ProbeParts): Promise<ProbeResult> {
  const { router, client, signal } = parts;
  if (router.engineMetrics !== 'disabled') {
    const answer = await client.metrics(model, signal);
    if (!answer.ok) return unreadable(answer.fault);
    if (answer.value.kind === 'not_loaded') return { kind: 'gone' };
    if (answer.value.kind === 'text') return readMetrics(model, answer.value.text, parts);
    router.engineMetrics = 'disabled';
  }
  const answer = await client.slots(model, signal);
  if (!answer.ok) return unreadable(answer.fault);
  switch (answer.value.kind) {
    case 'not_loaded':
      return { kind: 'gone' };
    case 'disabled': {
      const why = 'busy state unknown: llama-server runs without --metrics and with --no-slots';
      return { kind: 'unknown', why, lasting: true };
    }
    case 'slots':
      return { kind: answer.value.processing > 0 ? 'busy' : 'idle' };
  }
}

/** Also stores the activity: page, metrics and the next decision use it. */
function readMetrics(model: string, text: string, { store, router }: ProbeParts): ProbeResult {
  const parsed = parseExposition(text);
  const before = router.models.get(model)?.activity;
  const activity = parsed.ok ? activityOf(parsed.value, store.clock.now(), before) : undefined;
  if (!activity) {
    const why = "busy state unknown: the model's metrics could not be read";
    return { kind: 'unknown', why, lasting: false };
  }
  setActivity(store, router, model, activity);
  return { kind: activity.busy ? 'busy' : 'idle' };
}

function unreadable({ message }: RouterFault): ProbeResult {
  return { kind: 'unknown', why: `busy state unknown: ${message}`, lasting: false };
}
