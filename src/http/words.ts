import { formatBytes } from '../lib/bytes.ts';
import { formatDuration } from '../lib/duration.ts';
import type { ModelMemory } from '../memory/reading.ts';
import type { ModelState, RouterState } from '../models/router-state.ts';
import { isRunning } from '../models/status.ts';
import type { Outcome, Result } from '../unload/report.ts';

/** Why nobody knows what the models of a router do. */
const ACTIVITY_UNKNOWN = 'activity unknown: runs without --metrics';

export const LAST_LOAD_FAILED = 'last load failed';

/** It was so already at first sight. */
export const NOT_KNOWN = 'not known';

/** What became of a model, as a person reads it: on the page and in a terminal. */
export const RESULT_WORDS: Record<Result, string> = {
  unloaded: 'unloaded',
  already_unloaded: 'not loaded',
  would_unload: 'would unload',
  kept: 'kept',
  busy: 'busy',
  forced: 'killed',
  timeout: 'not gone',
  failed: 'failed',
  asked: 'asked',
};

/** Before the name of a model whose result is not known yet. */
export const PENDING_WORD = 'waiting for';

/** What an operation came to; null while it is under way. */
export function describeOutcome(outcome: Outcome | null): string {
  switch (outcome) {
    case null:
      return 'under way';
    case 'success':
      return 'done';
    case 'partial':
      return 'partly done';
    case 'noop':
      return 'nothing was loaded';
    case 'dry_run':
      return 'dry run';
    default:
      return outcome;
  }
}

/** What there is to say of a router beside its name and its models. */
export function factsOf({ props, models, engineMetrics }: RouterState): string[] {
  const running = [...models.values()].filter(({ lifecycle }) => isRunning(lifecycle.status)).length;
  const facts = [
    props.build && `llama.cpp ${props.build}`,
    `${models.size} model${models.size === 1 ? '' : 's'}, ${running} in memory`,
    props.modelsMax ? `at most ${props.modelsMax} in memory` : undefined,
    engineMetrics === 'disabled' ? ACTIVITY_UNKNOWN : undefined,
  ];
  return facts.filter((fact): fact is string => typeof fact === 'string');
}

const ORDER = ['loading', 'loaded', 'sleeping', 'downloading', 'other', 'unloaded'] as const;

/** What is in memory first; else in the router's order. */
export function inOrder(models: ReadonlyMap<string, ModelState>): ModelState[] {
  const rank = ({ lifecycle }: ModelState) => ORDER.indexOf(lifecycle.status);
  return [...models.values()].sort((one, other) => rank(one) - rank(other));
}

/** `loaded`, `loading 25 %`. */
export function describeStatus({ lifecycle }: ModelState): string {
  const progress = lifecycle.status === 'loading' ? lifecycle.loading?.progress : undefined;
  return progress === undefined ? lifecycle.status : `${lifecycle.status} ${Math.round(progress * 100)} %`;
}

/** What a model in memory does: `busy`, `idle, active 5m ago`; empty for one that does nothing by its nature. */
export function describeActivity({ lifecycle, activity }: ModelState, now: number): string {
  const last = activity?.lastAt === undefined ? '' : `active ${ago(activity.lastAt, now)}`;
  if (lifecycle.status === 'sleeping') return last;
  if (lifecycle.status !== 'loaded') return '';
  if (activity === undefined) return 'unknown';
  if (activity.busy) return 'busy';
  return last === '' ? 'idle' : `idle, ${last}`;
}

/** A column about the memory of models. */
interface Measure {
  label: string;
  of(held: ModelMemory | undefined): string;
}

const ON_GPUS: Measure = {
  label: 'GPU memory',
  of: (held) =>
    held === undefined || held.gpus.length === 0
      ? ''
      : formatBytes(held.gpus.reduce((sum, { bytes }) => sum + bytes, 0)),
};

const RESIDENT: Measure = {
  label: 'Resident',
  of: (held) => (held?.residentBytes === undefined ? '' : formatBytes(held.residentBytes)),
};

/** The columns in which anything is known of these. */
export function measuresOf(models: readonly ModelMemory[]): Measure[] {
  return [ON_GPUS, RESIDENT].filter(({ of }) => models.some((held) => of(held) !== ''));
}

/** For how long something has been so. */
export function spanSince(at: number, now: number): string {
  const seconds = Math.floor((now - at) / 1000);
  return seconds < 1 ? '0s' : formatDuration(seconds);
}

export function ago(at: number, now: number): string {
  return now - at < 1000 ? 'just now' : `${spanSince(at, now)} ago`;
}
