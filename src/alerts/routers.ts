import { matchesGlob } from '../lib/glob.ts';
import { type LabelSet, labelOf } from '../lib/matcher.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import type { AlertRules } from './options.ts';

/** Why an alert acts on no router. */
export interface NoRouter {
  readonly reason: 'no_router' | 'unknown_router' | 'not_allowed';
  readonly detail: string;
}

/** The routers of an alert, in order; `refused` says which others it may not act on. */
export interface AlertRouters {
  readonly names: string[];
  readonly refused?: string | undefined;
}

/** An alert without a router label acts on all routers that are allowed, or on none. */
export function routersOf(
  labels: LabelSet,
  rules: AlertRules,
  known: readonly string[],
): Result<AlertRouters, NoRouter> {
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
    const detail = `${label}="${value}" ${problem}; known routers: ${known.join(', ')}`;
    return failed({
      reason: 'unknown_router',
      detail: known.length > 0 ? detail : 'no router is configured',
    });
  }
  const names = present.filter((name) => isAllowed(name, rules)).sort();
  const others = present.filter((name) => !isAllowed(name, rules));
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

function isAllowed(name: string, { allowed_routers }: AlertRules): boolean {
  return allowed_routers.some((pattern) => matchesGlob(pattern, name));
}
