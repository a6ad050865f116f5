import type { Backend } from '../backends/backend.ts';
import { ok, type Result } from '../lib/result.ts';
import type { Samples } from '../metrics/exposition.ts';
import { parseExposition } from '../metrics/parse.ts';
import type { RouterFault } from '../models/feed.ts';
import { setActivity } from '../models/observations.ts';
import { type Activity, type RouterState, unreadReason } from '../models/router-state.ts';
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

/**
 * Parses a model's own metrics and stores the activity that they show, unless nothing will update it: then it stays unknown.
 */
export function recordMetrics(
  store: Store,
  router: RouterState,
  model: string,
  text: string,
): Result<{ samples: Samples[]; activity: Activity | undefined }, string> {
  const parsed = parseExposition(text);
  if (!parsed.ok) return parsed;
  const state = router.models.get(model);
  const activity = activityOf(parsed.value, store.clock.now(), state?.activity);
  if (state && unreadReason(router, state) === undefined) setActivity(store, router, model, activity);
  return ok({ samples: parsed.value, activity });
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

interface ProbeParts {
  store: Store;
  router: RouterState;
  client: Pick<Backend, 'metrics' | 'slots' | 'inFlight'>;
  signal: AbortSignal;
}

/**
 * Asks a loaded model whether it is busy, directly before a decision. Not for monitoring: on a router without
 * `--metrics` it reads the slots, which keeps the model awake. Never call it for a sleeping model.
 */
export async function probeActivity(
  model: string,
  { store, router, client, signal }: ProbeParts,
): Promise<ProbeResult> {
  const inFlight = client.inFlight(model);
  if (inFlight !== undefined) return busyOrIdle(inFlight > 0);
  if (router.engineMetrics !== 'disabled') {
    const answer = await client.metrics(model, signal);
    if (!answer.ok) return unanswered(answer.fault);
    if (answer.value.kind === 'not_loaded') return { kind: 'gone' };
    if (answer.value.kind === 'text') {
      const recorded = recordMetrics(store, router, model, answer.value.text);
      if (!recorded.ok) return unknown("the model's metrics could not be read");
      if (recorded.value.activity) return busyOrIdle(recorded.value.activity.busy);
      // A build whose metrics do not say it.
    } else if (answer.value.kind === 'disabled') router.engineMetrics = 'disabled';
  }
  const answer = await client.slots(model, signal);
  if (!answer.ok) return unanswered(answer.fault);
  if (answer.value.kind === 'not_loaded') return { kind: 'gone' };
  if (answer.value.kind === 'slots') return busyOrIdle(answer.value.processing > 0);
  return unknown(router.traits.remedies.noActivity, true);
}

function busyOrIdle(isBusy: boolean): ProbeResult {
  return { kind: isBusy ? 'busy' : 'idle' };
}

/** The API key stays wrong however often it is sent. */
function unanswered({ kind, message }: RouterFault): ProbeResult {
  if (kind !== 'unauthorized') return unknown(message);
  return unknown(`${message}; or unload with --when-busy force`, true);
}

function unknown(why: string, lasting = false): ProbeResult {
  return { kind: 'unknown', why: `busy state unknown: ${why}`, lasting };
}
