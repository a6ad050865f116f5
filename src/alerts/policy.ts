import { formatMatcher, labelOf, matchesLabels } from '../lib/matcher.ts';
import { oneLine } from '../lib/one-line.ts';
import { wishesOf } from './alert-options.ts';
import type { Alert, Notification } from './payload.ts';
import { type AlertUnload, requestsOf, type Wanted } from './requests.ts';
import { type NoRouter, routersOf } from './routers.ts';
import type { AlertRules } from './rules.ts';

/** Why nothing is done: every alert is over, or none may be acted on, the most telling reason of them all. */
export type IgnoreReason = 'resolved' | 'malformed_wish' | NoRouter['reason'] | 'malformed' | 'not_matched';

/** What a notification sets off. `details`: which alerts are not acted on and why, which wishes were cut down. */
export type AlertDecision =
  | {
      readonly kind: 'unload';
      readonly requests: readonly AlertUnload[];
      readonly details: readonly string[];
    }
  | { readonly kind: 'ignore'; readonly reason: IgnoreReason; readonly details: readonly string[] };

/** The first that any alert was refused for is the reason of all: what somebody has to mend comes first. */
const BY_URGENCY = [
  'malformed_wish',
  'not_allowed',
  'unknown_router',
  'no_router',
  'malformed',
  'not_matched',
] as const satisfies readonly IgnoreReason[];

/**
 * Decides what a notification sets off: only its alerts that fire and match, each within the rules; one that cannot
 * be acted on holds up no other. `routers` are the names of those that are followed. Pure, and the order of the
 * alerts does not matter.
 */
export function decideOn(
  notification: Notification,
  rules: AlertRules,
  routers: readonly string[],
): AlertDecision {
  const firing = notification.alerts.filter(({ firing }) => firing);
  const matching = firing.filter(({ labels }) =>
    rules.matchers.every((matcher) => matchesLabels(matcher, labels)),
  );
  const verdicts = matching.map((alert) => judge(alert, rules, routers));
  const requests = requestsOf(verdicts.flatMap(({ wanted }) => wanted ?? []));
  const told = verdicts.flatMap(({ alert, said }) => said.map((words) => `${nameOf(alert)}: ${words}`));
  if (requests.length > 0) return { kind: 'unload', requests, details: detailsOf(notification, told) };
  if (firing.length === 0 && notification.malformed === 0) {
    return { kind: 'ignore', reason: 'resolved', details: ['no alert fires'] };
  }
  const reasons = new Set<IgnoreReason>(verdicts.flatMap(({ reason }) => reason ?? []));
  if (notification.malformed > 0) reasons.add('malformed');
  const reason = BY_URGENCY.find((each) => reasons.has(each)) ?? 'not_matched';
  const unmatched = `no alert that fires matches ${rules.matchers.map(formatMatcher).join(', ')} (alerts.matchers)`;
  if (matching.length === 0 && firing.length > 0) told.push(unmatched);
  return { kind: 'ignore', reason, details: detailsOf(notification, told) };
}

/** What became of one alert that fires and matches. */
interface Verdict {
  readonly alert: Alert;
  readonly wanted?: Wanted;
  readonly reason?: IgnoreReason;
  readonly said: readonly string[];
}

function judge(alert: Alert, rules: AlertRules, known: readonly string[]): Verdict {
  const wishes = wishesOf(alert, rules);
  if (!wishes.ok) return { alert, reason: 'malformed_wish', said: [wishes.fault] };
  const routers = routersOf(alert.labels, rules, known);
  if (!routers.ok) return { alert, reason: routers.fault.reason, said: [routers.fault.detail] };
  const { names, refused } = routers.value;
  return {
    alert,
    wanted: { ...wishes.value.wishes, routers: names, alert },
    said: [...refused, ...wishes.value.cuts],
  };
}

/** As many as an operator reads: a notification may hold hundreds of alerts. */
const MOST_DETAILS = 10;
const LONGEST_DETAIL = 300;

function detailsOf({ malformed, truncated }: Notification, told: readonly string[]): string[] {
  const left = [
    ...(malformed > 0 ? [`${malformed} of the alerts could not be read and were left out`] : []),
    ...(truncated > 0
      ? [
          `${truncated} more alerts of the group were left out: Alertmanager's max_alerts, or beyond a thousand`,
        ]
      : []),
  ];
  const all = [...new Set([...left, ...[...told].sort()].map((words) => oneLine(words, LONGEST_DETAIL)))];
  if (all.length <= MOST_DETAILS) return all;
  return [...all.slice(0, MOST_DETAILS), `and ${all.length - MOST_DETAILS} more`];
}

function nameOf({ labels }: Alert): string {
  return labelOf(labels, 'alertname') || 'an alert without a name';
}
