import { matchesGlob } from '../lib/glob.ts';
import { type LabelSet, labelOf } from '../lib/matcher.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import type { AlertRules } from './options.ts';

type NoRouter = { reason: 'no_router' | 'unknown_router' | 'not_allowed'; detail: string };

/**
 * The routers of an alert, in order, or why it acts on none; `refused` says which others it may not act on. An alert
 * without a router label acts on all routers that are allowed, or on none.
 */
export function routersOf(
  labels: LabelSet,
  rules: AlertRules,
  known: readonly string[],
): Result<{ names: string[]; refused?: string | undefined }, NoRouter> {
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
