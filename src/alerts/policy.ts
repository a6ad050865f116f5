import { matchesGlob } from '../lib/glob.ts';
import { formatMatcher, type LabelSet, labelOf, matchesLabels } from '../lib/matcher.ts';
import { oneLine } from '../lib/one-line.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import { type AlertRules, parseOptions } from './options.ts';
import type { Alert, Notification } from './payload.ts';
import { type AlertDemand, type AlertUnload, unloadsOf } from './requests.ts';

/** Why alerts do nothing, the reason that most needs a fix first. */
const IGNORE_REASONS = [
  'malformed_wish',
  'not_allowed',
  'unknown_router',
  'no_router',
  'malformed',
  'no_data',
  'not_matched',
  'resolved',
] as const;

export type IgnoreReason = (typeof IGNORE_REASONS)[number];

export interface AlertDecision {
  readonly unloads: readonly AlertUnload[];
  /** Why there are no unloads; undefined when there are. */
  readonly ignored?: IgnoreReason | undefined;
  /** Which alerts do nothing and why, and which options were reduced. */
  readonly details: readonly string[];
}

/**
 * Decides which unloads a notification starts on these routers. Only alerts that fire and match count; an invalid
 * alert does not affect the others. The order of the alerts does not matter.
 */
export function decideOn(
  notification: Notification,
  rules: AlertRules,
  routers: readonly string[],
): AlertDecision {
  const { alerts, malformed } = notification;
  const firing = alerts.filter((alert) => alert.firing);
  const matching = firing.filter(({ labels }) => rules.matchers.every((one) => matchesLabels(one, labels)));
  const verdicts = matching.map((alert) => judgeAlert(alert, rules, routers));
  const unloads = unloadsOf(verdicts.flatMap(({ demand }) => demand ?? []));
  const details = verdicts.flatMap((verdict) => verdict.details);
  if (unloads.length > 0) return { unloads, details: shortened(notification, details) };
  const reasons = new Set<IgnoreReason | undefined>(verdicts.map(({ ignored }) => ignored));
  if (malformed > 0) reasons.add('malformed');
  if (firing.length > 0 && matching.length === 0) {
    reasons.add('not_matched');
    const matchers = rules.matchers.map(formatMatcher).join(', ');
    details.push(`no firing alert matches ${matchers} (alerts.matchers)`);
  } else if (firing.length === 0 && malformed === 0) {
    details.push('no firing alerts');
  }
  const ignored = IGNORE_REASONS.find((reason) => reasons.has(reason)) ?? 'resolved';
  return { unloads, ignored, details: shortened(notification, details) };
}

/** What one alert asks for, or why it does nothing. */
function judgeAlert(
  alert: Alert,
  rules: AlertRules,
  known: readonly string[],
): { demand?: AlertDemand; ignored?: IgnoreReason; details: string[] } {
  const name = labelOf(alert.labels, 'alertname') || 'unnamed alert';
  const named = (details: readonly string[]) => details.map((detail) => `${name}: ${detail}`);
  if (isWithoutData(alert)) return { ignored: 'no_data', details: named([NO_DATA]) };
  const parsed = parseOptions(alert, rules);
  if (!parsed.ok) return { ignored: 'malformed_wish', details: named([parsed.fault]) };
  const routers = routersOf(alert.labels, rules, known);
  if (!routers.ok) return { ignored: routers.fault.reason, details: named([routers.fault.detail]) };
  const { options, reduced } = parsed.value;
  const { names, refused } = routers.value;
  return {
    demand: { ...options, routers: names, alerts: [alert] },
    details: named([refused, ...reduced].filter((detail) => detail !== undefined)),
  };
}

/**
 * The routers of an alert, in order, or why it acts on none; `refused` says which others it may not act on. An alert
 * without a router label acts on all routers that are allowed, or on none.
 */
function routersOf(
  labels: LabelSet,
  rules: AlertRules,
  known: readonly string[],
): Result<{ names: string[]; refused?: string | undefined }, { reason: IgnoreReason; detail: string }> {
  // On alerts about our own metrics, `instance` is the exporter: `router` takes precedence.
  const label = ['router', rules.router_label].find((name) => labelOf(labels, name) !== '');
  if (label === undefined && rules.without_router === 'ignore') {
    const missing = [...new Set(['router', rules.router_label])].join(' or ');
    return failed({ reason: 'no_router', detail: `no label ${missing}` });
  }
  const value = label === undefined ? '' : labelOf(labels, label);
  const named = label === undefined ? known : routersNamed(value, label, rules, known);
  const present = named.filter((name) => known.includes(name));
  if (present.length === 0) {
    const problem = named.length > 0 ? `maps to ${named.join(', ')}, which is unknown` : 'is unknown';
    const unknown = `${label}="${value}" ${problem}; known routers: ${known.join(', ')}`;
    const detail = known.length > 0 ? unknown : 'no router is configured';
    return failed({ reason: 'unknown_router', detail });
  }
  const isAllowed = (name: string) => rules.allowed_routers.some((pattern) => matchesGlob(pattern, name));
  const names = present.filter(isAllowed).sort();
  const others = present.filter((name) => !isAllowed(name));
  const refused = `not in alerts.allowed_routers: ${others.join(', ')}`;
  if (names.length === 0) return failed({ reason: 'not_allowed', detail: refused });
  return ok({ names, refused: label !== undefined && others.length > 0 ? refused : undefined });
}

/** The exact name of a router takes precedence over globs. */
function routersNamed(value: string, label: string, rules: AlertRules, known: readonly string[]): string[] {
  if (known.includes(value)) return [value];
  if (label !== rules.router_label) return [];
  const targets = rules.routers.filter((target) => matchesGlob(target.value, value));
  return [...new Set(targets.map(({ router }) => router))];
}

const NO_DATA =
  'Grafana could not evaluate the rule, so nothing was measured: set "Alert state if no data" to Normal, and check its data source';

/**
 * Whether Grafana sends the alert because its rule had no data or failed: under a name of its own, or with the reason in
 * an annotation. Such an alert has the labels and options of the rule, and would unload models although no memory was
 * measured.
 */
function isWithoutData({ labels, annotations }: Alert): boolean {
  const name = labelOf(labels, 'alertname');
  if (name === 'DatasourceNoData' || name === 'DatasourceError') return true;
  return /\b(NoData|Error)\b/.test(annotations.grafana_state_reason ?? '');
}

/** A notification may hold hundreds of alerts. */
const MAX_DETAILS = 10;
const DETAIL_LENGTH = 300;

function shortened({ malformed, truncated }: Notification, details: readonly string[]): string[] {
  const all = details.map((detail) => oneLine(detail, DETAIL_LENGTH)).sort();
  if (truncated > 0)
    all.unshift(`${truncated} alerts are missing: more than max_alerts or 1000 in the group`);
  if (malformed > 0) all.unshift(`${malformed} malformed alerts ignored`);
  const unique = [...new Set(all)];
  if (unique.length <= MAX_DETAILS) return unique;
  return [...unique.slice(0, MAX_DETAILS), `and ${unique.length - MAX_DETAILS} more`];
}
