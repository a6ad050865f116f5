import type { Config } from '../config/schema.ts';
import { idleSince, matchesModel, type RouterState } from '../models/router-state.ts';

/** A rule of `policy.idle`: globs on ids and aliases, empty for every model, and an idle time in seconds. */
export type IdleRule = Config['policy']['idle'][number];

/** Idle models of one router, with the rule that applies to them. */
export interface Candidates {
  rule: IdleRule;
  models: string[];
}

/** The models that have been idle for too long. The first rule that matches a model applies; `keep` wins. */
export function findCandidates(
  router: Pick<RouterState, 'models'>,
  rules: readonly IdleRule[],
  keep: readonly string[],
  now: number,
): Candidates[] {
  const candidates = new Map<IdleRule, string[]>();
  for (const model of router.models.values()) {
    const since = idleSince(model);
    const rule = rules.find(({ models }) => models.length === 0 || matchesModel(models, model));
    if (rule === undefined || since === undefined || matchesModel(keep, model)) continue;
    if (now - since < rule.after * 1000) continue;
    candidates.set(rule, [...(candidates.get(rule) ?? []), model.id]);
  }
  return [...candidates].map(([rule, models]) => ({ rule, models }));
}
