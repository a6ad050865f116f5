import type { Config } from '../config/schema.ts';
import { compareWhenBusy, parseWhenBusy, type WhenBusy } from '../config/when-busy.ts';
import { parseBytes } from '../lib/bytes.ts';
import { formatDuration, parseDuration } from '../lib/duration.ts';
import { labelOf } from '../lib/matcher.ts';
import { nearest } from '../lib/nearest.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import { type Selection, targetOf } from '../unload/request.ts';
import type { Alert } from './payload.ts';

/** Which alerts act, on which routers, and their limits. */
export type AlertRules = Config['alerts'];

/** How an alert wants models unloaded. */
export interface AlertOptions {
  selection: Selection;
  whenBusy: WhenBusy;
  holdMs?: number;
}

/** The annotations or labels of an alert that set its options. */
const OPTIONS = {
  unload_models: { parse: parsePatterns, format: "globs separated by commas, such as 'qwen*,gemma-3'" },
  unload_keep: { parse: parsePatterns, format: "globs separated by commas, such as 'embed*,rerank*'" },
  unload_gpu: { parse: parsePatterns, format: 'UUIDs or indexes separated by commas, such as GPU-1d4b or 0' },
  unload_when_busy: { parse: parseWhenBusy, format: 'skip, wait or force' },
  unload_idle_for: { parse: parseDuration, format: 'a duration such as 10m' },
  unload_free_bytes: {
    parse: (text: string) => parseBytes(text) || undefined,
    format: 'an amount above 0 such as 8GiB',
  },
  unload_until_ratio: { parse: parseRatio, format: 'a ratio such as 0.8 or 80%' },
  unload_hold: { parse: parseDuration, format: 'a duration such as 5m' },
};

type OptionName = keyof typeof OPTIONS;
type OptionValues = { [Name in OptionName]?: NonNullable<ReturnType<(typeof OPTIONS)[Name]['parse']>> };

export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** What the templates of Prometheus and Grafana write for a label that is missing. */
const NO_VALUE = /<no value>|\[no value\]/;

/** A label of our metric llama_router_model_reloads_after_unload_total, which its alerts carry. */
const METRIC_LABEL = 'unload_reason';

/**
 * The options of an alert within the limits of the rules; `reduced` says what exceeded them. An invalid option fails
 * the alert, because to ignore it could unload more than intended: all models, without `unload_keep`. So does an
 * unknown option, which may be a misspelt one.
 */
export function parseOptions(
  alert: Alert,
  rules: AlertRules,
): Result<{ options: AlertOptions; reduced: string[] }, string> {
  const unknown = [...Object.keys(alert.annotations), ...Object.keys(alert.labels)].find(isUnknownOption);
  if (unknown !== undefined) return failed(`unknown option ${unknown}${suggestion(unknown)}`);
  const values: OptionValues = {};
  const faults: string[] = [];
  for (const name of OPTION_NAMES) {
    const text = textOf(name, alert);
    if (text === undefined) continue;
    const value = NO_VALUE.test(text) ? undefined : OPTIONS[name].parse(text);
    if (value === undefined) faults.push(`${name} is ${shown(text)}; expected ${OPTIONS[name].format}`);
    else Object.assign(values, { [name]: value });
  }
  if (values.unload_free_bytes !== undefined && values.unload_until_ratio !== undefined) {
    faults.push('unload_free_bytes and unload_until_ratio cannot be combined: remove one');
  }
  return faults.length > 0 ? failed(faults.join('; ')) : ok(limit(values, rules));
}

function limit(values: OptionValues, rules: AlertRules): { options: AlertOptions; reduced: string[] } {
  const { when_busy_limit, hold_limit } = rules;
  const { unload_when_busy = rules.when_busy, unload_hold = 0 } = values;
  const reduced: string[] = [];
  const options: AlertOptions = { selection: selectionOf(values), whenBusy: unload_when_busy };
  if (compareWhenBusy(unload_when_busy, when_busy_limit) > 0) {
    options.whenBusy = when_busy_limit;
    const change = `${unload_when_busy} reduced to ${when_busy_limit}`;
    reduced.push(`unload_when_busy ${change} (alerts.when_busy_limit)`);
  }
  if (unload_hold > hold_limit) {
    const limited = hold_limit === 0 ? 'ignored' : `reduced to ${formatDuration(hold_limit)}`;
    reduced.push(`unload_hold ${formatDuration(unload_hold)} ${limited} (alerts.hold_limit)`);
  }
  const hold = Math.min(unload_hold, hold_limit);
  if (hold > 0) options.holdMs = hold * 1000;
  return { options, reduced };
}

function selectionOf(values: OptionValues): Selection {
  const { unload_models: models = [], unload_keep: keep = [], unload_gpu: gpus, unload_idle_for } = values;
  const idleForMs = unload_idle_for === undefined ? undefined : unload_idle_for * 1000;
  const target = targetOf(values.unload_free_bytes, values.unload_until_ratio);
  return { models, keep, idleForMs, gpus, target };
}

/** An empty annotation counts, as its template found nothing; an empty label is a missing one, as in Prometheus. */
function textOf(name: OptionName, { annotations, labels }: Alert): string | undefined {
  return Object.hasOwn(annotations, name) ? annotations[name] : labelOf(labels, name) || undefined;
}

function isUnknownOption(name: string): boolean {
  return name.startsWith('unload_') && !Object.hasOwn(OPTIONS, name) && name !== METRIC_LABEL;
}

function suggestion(name: string): string {
  // The comparison takes quadratic time.
  const meant = nearest(name.slice(0, 40), OPTION_NAMES);
  return meant === undefined ? `; the options are ${OPTION_NAMES.join(', ')}` : `: did you mean ${meant}?`;
}

function parsePatterns(text: string): string[] | undefined {
  const patterns = text.split(',').flatMap((part) => part.trim() || []);
  return patterns.length > 0 ? [...new Set(patterns)].sort() : undefined;
}

function parseRatio(text: string): number | undefined {
  const [, digits, percent] = /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const ratio = percent === '%' ? Number(digits) / 100 : Number(digits);
  return ratio <= 1 ? ratio : undefined;
}

function shown(text: string): string {
  return text.trim() === '' ? 'empty' : JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
