import { matchesGlob } from '../lib/glob.ts';
import { type Labels, labelOf } from '../lib/matcher.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import type { AlertRules } from './rules.ts';

/** Why an alert is about no router that may be acted on. */
export interface NoRouter {
  readonly reason: 'no_router' | 'unknown_router' | 'not_allowed';
  readonly detail: string;
}

/** The routers that an alert is about, and which it named in vain. */
export interface Routers {
  readonly names: readonly string[];
  readonly refused: readonly string[];
}

/**
 * Which routers an alert is about. The label `router`, as our own metrics have it, comes before the configured one:
 * on alerts about our metrics, `instance` is the exporter. The exact name of a router comes before any glob.
 */
export function routersOf(
  labels: Labels,
  rules: AlertRules,
  known: readonly string[],
): Result<Routers, NoRouter> {
  const label = ['router', rules.routerLabel].find((name) => labelOf(labels, name) !== '');
  if (label === undefined) return withoutLabel(rules, known);
  const value = labelOf(labels, label);
  const meant = namedBy(value, label, rules, known);
  const followed = meant.filter((name) => known.includes(name));
  if (followed.length === 0) {
    const what = meant.length > 0 ? `means ${meant.join(', ')}, which is not followed` : 'is no router';
    const detail = `${label}="${value}" ${what}: there is ${known.join(', ') || 'none'}`;
    return failed({ reason: 'unknown_router', detail });
  }
  const allowed = followed.filter((name) => isAllowed(name, rules));
  const refused = followed
    .filter((name) => !isAllowed(name, rules))
    .map((name) => `${name} is not in alerts.allowed_routers`);
  if (allowed.length === 0) return failed({ reason: 'not_allowed', detail: refused.join('; ') });
  return ok({ names: allowed.sort(), refused });
}

function withoutLabel(rules: AlertRules, known: readonly string[]): Result<Routers, NoRouter> {
  if (rules.withoutRouter === 'ignore') {
    const labels = [...new Set(['router', rules.routerLabel])].join(' or ');
    return failed({ reason: 'no_router', detail: `it has no label ${labels}` });
  }
  const allowed = known.filter((name) => isAllowed(name, rules));
  if (allowed.length > 0) return ok({ names: allowed.sort(), refused: [] });
  return failed({ reason: 'not_allowed', detail: 'alerts.allowed_routers allows none of the routers' });
}

function namedBy(value: string, label: string, rules: AlertRules, known: readonly string[]): string[] {
  if (known.includes(value)) return [value];
  const targets = label === rules.routerLabel ? rules.targets : [];
  return [
    ...new Set(targets.filter((target) => matchesGlob(target.value, value)).map(({ router }) => router)),
  ];
}

function isAllowed(name: string, { allowedRouters }: AlertRules): boolean {
  return allowedRouters.some((pattern) => matchesGlob(pattern, name));
}
