import { idleSince } from '../models/idle.ts';
import { matchesModel } from '../models/matching.ts';
import type { RouterState } from '../models/router-state.ts';

/** Models that are to go when they have served nothing for so long. */
export interface IdleRule {
  /** Globs on ids and aliases; empty: every model. */
  models: readonly string[];
  afterMs: number;
}

/** Models of one router that are due, by the rule that says so. */
export interface Due {
  rule: IdleRule;
  models: string[];
}

/** Which models have been idle for too long: the first rule that matches a model counts, and `keep` wins. Pure. */
export function idleTooLong(
  router: Pick<RouterState, 'models'>,
  rules: readonly IdleRule[],
  keep: readonly string[],
  now: number,
): Due[] {
  const due = new Map<IdleRule, string[]>();
  for (const model of router.models.values()) {
    const since = idleSince(model);
    const rule = rules.find(({ models }) => models.length === 0 || matchesModel(models, model));
    if (matchesModel(keep, model)) continue;
    if (rule === undefined || since === undefined || now - since < rule.afterMs) continue;
    due.set(rule, [...(due.get(rule) ?? []), model.id]);
  }
  return [...due].map(([rule, models]) => ({ rule, models }));
}
