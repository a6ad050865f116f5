import { matchesGlob } from '../lib/glob.ts';
import { type Labels, labelOf } from '../lib/matcher.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import type { AlertRules } from './options.ts';

/** Why an alert acts on no router. */
export interface NoRouter {
  readonly reason: 'no_router' | 'unknown_router' | 'not_allowed';
  readonly detail: string;
}

/** The routers of an alert, in order; `refused` explains which others it may not act on. */
export interface AlertRouters {
  readonly names: string[];
  readonly refused: string[];
}

/**
 * The label `router` takes precedence over `alerts.router_label`: on alerts about our own metrics, `instance` is the
 * exporter. The exact name of a router takes precedence over globs.
 */
export function routersOf(
  labels: Labels,
  rules: AlertRules,
  known: readonly string[],
): Result<AlertRouters, NoRouter> {
  const label = ['router', rules.router_label].find((name) => labelOf(labels, name) !== '');
  if (label === undefined) return withoutLabel(rules, known);
  const value = labelOf(labels, label);
  const named = routersNamed(value, label, rules, known);
  const present = named.filter((name) => known.includes(name));
  if (present.length === 0) {
    const problem = named.length > 0 ? `maps to ${named.join(', ')}, which is unknown` : 'is unknown';
    const detail = `${label}="${value}" ${problem}; known routers: ${known.join(', ') || 'none'}`;
    return failed({ reason: 'unknown_router', detail });
  }
  const names = present.filter((name) => isAllowed(name, rules)).sort();
  const refused = present
    .filter((name) => !isAllowed(name, rules))
    .map((name) => `${name} is not in alerts.allowed_routers`);
  return names.length > 0
    ? ok({ names, refused })
    : failed({ reason: 'not_allowed', detail: refused.join('; ') });
}

function withoutLabel(rules: AlertRules, known: readonly string[]): Result<AlertRouters, NoRouter> {
  if (rules.without_router === 'ignore') {
    const labels = [...new Set(['router', rules.router_label])].join(' or ');
    return failed({ reason: 'no_router', detail: `no label ${labels}` });
  }
  const names = known.filter((name) => isAllowed(name, rules)).sort();
  if (names.length > 0) return ok({ names, refused: [] });
  return failed({ reason: 'not_allowed', detail: 'alerts.allowed_routers allows none of the routers' });
}

function routersNamed(value: string, label: string, rules: AlertRules, known: readonly string[]): string[] {
  if (known.includes(value)) return [value];
  if (label !== rules.router_label) return [];
  const targets = rules.routers.filter((target) => matchesGlob(target.value, value));
  return [...new Set(targets.map(({ router }) => router))];
}

function isAllowed(name: string, { allowed_routers }: AlertRules): boolean {
  return allowed_routers.some((pattern) => matchesGlob(pattern, name));
}
