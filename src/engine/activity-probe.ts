import type { RouterClient } from '../backends/llama-server/client.ts';
import type { Clock } from '../lib/clock.ts';
import { parseExposition } from '../metrics/parse.ts';
import type { Fault } from '../models/feed.ts';
import type { RouterEntry } from '../models/router-entry.ts';
import { activityOf } from './activity.ts';

/** What a model is doing at this moment, asked for a purpose; `unknown` says why nobody can tell. */
export type ProbeResult =
  | { kind: 'idle' | 'busy' | 'gone' }
  /** `lasting`: asking again will not help. */
  | { kind: 'unknown'; why: string; lasting: boolean };

const NOBODY_CAN_TELL =
  'nobody can tell whether it is busy: llama-server runs without --metrics and with --no-slots';

/**
 * Asks a loaded model what it is doing. To be used at the moment of a decision, not for watching: where the
 * router runs without `--metrics` it asks for the slots, which keeps the model awake. A sleeper must not be asked.
 */
export async function probeActivity(
  model: string,
  entry: RouterEntry,
  client: Pick<RouterClient, 'metrics' | 'slots'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProbeResult> {
  if (entry.state.engineMetrics !== 'disabled') {
    const answer = await client.metrics(model, signal);
    if (!answer.ok) return unanswered(answer.fault);
    if (answer.value.kind === 'not_loaded') return { kind: 'gone' };
    if (answer.value.kind === 'text') return readDoing(model, answer.value.text, entry, clock);
    entry.engineMetrics('disabled');
  }
  const answer = await client.slots(model, signal);
  if (!answer.ok) return unanswered(answer.fault);
  switch (answer.value.kind) {
    case 'not_loaded':
      return { kind: 'gone' };
    case 'disabled':
      return { kind: 'unknown', why: NOBODY_CAN_TELL, lasting: true };
    case 'slots':
      return { kind: answer.value.processing > 0 ? 'busy' : 'idle' };
  }
}

/** What was learnt is believed: page, metrics and the next decision profit from it. */
function readDoing(model: string, text: string, entry: RouterEntry, clock: Clock): ProbeResult {
  const parsed = parseExposition(text);
  const before = entry.state.models.get(model)?.activity;
  const activity = parsed.ok ? activityOf(parsed.value, clock.now(), before) : undefined;
  if (!activity) {
    const why = 'nobody can tell whether it is busy: its metrics do not say';
    return { kind: 'unknown', why, lasting: false };
  }
  entry.activity(model, () => activity);
  return { kind: activity.busy ? 'busy' : 'idle' };
}

function unanswered({ message }: Fault): ProbeResult {
  return { kind: 'unknown', why: `nobody can tell whether it is busy: ${message}`, lasting: false };
}
