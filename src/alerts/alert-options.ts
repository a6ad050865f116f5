import { compareWhenBusy, parseWhenBusy, type WhenBusy } from '../config/when-busy.ts';
import { parseBytes } from '../lib/bytes.ts';
import { formatDuration, parseDuration } from '../lib/duration.ts';
import { type Labels, labelOf } from '../lib/matcher.ts';
import { nearest } from '../lib/nearest.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import type { Selection } from '../unload/request.ts';
import type { Alert } from './payload.ts';
import type { AlertRules } from './rules.ts';

/** How an alert wants models unloaded; what it does not say has its default. */
export interface Wishes {
  readonly selection: Selection;
  readonly whenBusy: WhenBusy;
  readonly holdMs?: number;
}

/** What an alert may say, as annotations or labels. Without any of them, all models of its routers go. */
export const WISHES = [
  'unload_models',
  'unload_keep',
  'unload_when_busy',
  'unload_idle_for',
  'unload_free_bytes',
  'unload_until_ratio',
  'unload_hold',
] as const;

type Name = (typeof WISHES)[number];

/** What alerts about our own metrics carry: a label of llama_router_model_reloads_after_unload_total. */
const NO_WISHES = ['unload_reason'];

/** What an alert wishes, and in which words a wish of it was cut down to what the rules allow. */
export interface Bounded {
  readonly wishes: Wishes;
  readonly cuts: readonly string[];
}

/**
 * The wishes of an alert, within the rules. One that cannot be understood is a fault, for to leave it out might mean
 * more than was asked for: without `unload_keep` everything goes. So is a name that is none of ours, which may be a
 * misspelt one.
 */
export function wishesOf({ annotations, labels }: Alert, rules: AlertRules): Result<Bounded, string> {
  const unknown = [...Object.keys(annotations), ...Object.keys(labels)].find(isMisspelt);
  if (unknown !== undefined) return failed(`${unknown} is no wish${suggestion(unknown)}`);
  const faults: string[] = [];
  const read = <Value>(name: Name, parse: Reading<Value>): Value | undefined => {
    const written = writtenIn(name, annotations, labels);
    if (written === undefined) return undefined;
    const value = parse(written);
    if (value === undefined) faults.push(`${name} is ${shown(written)}: ${REMEDIES[name]}`);
    return value;
  };
  const models = read('unload_models', patternsOf);
  const keep = read('unload_keep', patternsOf);
  const whenBusy = read('unload_when_busy', parseWhenBusy);
  const idleForSeconds = read('unload_idle_for', parseDuration);
  const freeBytes = read('unload_free_bytes', (text) => parseBytes(text) || undefined);
  const untilRatio = read('unload_until_ratio', ratioOf);
  const holdSeconds = read('unload_hold', parseDuration);
  if (freeBytes !== undefined && untilRatio !== undefined) {
    faults.push('unload_free_bytes and unload_until_ratio exclude each other: keep one of them');
  }
  if (faults.length > 0) return failed(faults.join('; '));
  const selection: Selection = {
    models: models ?? [],
    keep: keep ?? [],
    ...(idleForSeconds !== undefined && { idleForMs: idleForSeconds * 1000 }),
    ...(freeBytes !== undefined && { target: { freeBytes } }),
    ...(untilRatio !== undefined && { target: { untilRatio } }),
  };
  return ok(bound(selection, whenBusy ?? rules.whenBusy, (holdSeconds ?? 0) * 1000, rules));
}

function bound(selection: Selection, whenBusy: WhenBusy, holdMs: number, rules: AlertRules): Bounded {
  const { whenBusyLimit, holdLimitMs } = rules;
  const cuts: string[] = [];
  const tooStrong = compareWhenBusy(whenBusy, whenBusyLimit) > 0;
  if (tooStrong)
    cuts.push(`unload_when_busy ${whenBusy} was cut to alerts.when_busy_limit, ${whenBusyLimit}`);
  if (holdMs > holdLimitMs) {
    const [asked, limit] = [holdMs, holdLimitMs].map((ms) => formatDuration(ms / 1000));
    const what =
      holdLimitMs === 0 ? 'left out, alerts.hold_limit is 0s' : `cut to alerts.hold_limit, ${limit}`;
    cuts.push(`unload_hold ${asked} was ${what}`);
  }
  const hold = Math.min(holdMs, holdLimitMs);
  return {
    wishes: {
      selection,
      whenBusy: tooStrong ? whenBusyLimit : whenBusy,
      ...(hold > 0 && { holdMs: hold }),
    },
    cuts,
  };
}

type Reading<Value> = (text: string) => Value | undefined;

const REMEDIES: Readonly<Record<Name, string>> = {
  unload_models: "write globs with commas between them, such as 'qwen*,gemma-3'",
  unload_keep: "write globs with commas between them, such as 'embed*,rerank*'",
  unload_when_busy: 'write skip, wait or force',
  unload_idle_for: 'write a duration such as 10m',
  unload_free_bytes: 'write bytes such as 8GiB, more than none',
  unload_until_ratio: 'write a ratio such as 0.8 or 80%',
  unload_hold: 'write a duration such as 5m',
};

/** An annotation may be empty where its template found nothing; a label that is empty is none, as in Prometheus. */
function writtenIn(name: Name, annotations: Labels, labels: Labels): string | undefined {
  return Object.hasOwn(annotations, name) ? annotations[name] : labelOf(labels, name) || undefined;
}

function isMisspelt(name: string): boolean {
  return name.startsWith('unload_') && !WISHES.some((known) => known === name) && !NO_WISHES.includes(name);
}

function suggestion(name: string): string {
  // A name of a megabyte would keep the comparison busy for long.
  const meant = nearest(name.slice(0, 40), WISHES);
  return meant === undefined ? `: there is ${WISHES.join(', ')}` : `: did you mean ${meant}?`;
}

function patternsOf(text: string): string[] | undefined {
  const patterns = text.split(',').flatMap((part) => part.trim() || []);
  return patterns.length > 0 ? [...new Set(patterns)].sort() : undefined;
}

function ratioOf(text: string): number | undefined {
  const [, digits, percent] = /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const ratio = percent === '%' ? Number(digits) / 100 : Number(digits);
  return ratio <= 1 ? ratio : undefined;
}

/** Short, for it goes into logs and answers. */
function shown(text: string): string {
  return text.trim() === '' ? 'empty' : JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
