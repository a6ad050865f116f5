import { matchesGlob } from '../lib/glob.ts';
import type { ModelBelief } from '../models/belief.ts';
import type { Status } from '../models/status.ts';
import type { ModelResult } from './report.ts';

/** Which models are to go. Patterns are globs on ids and aliases. */
export interface Selection {
  /** Empty: every model. */
  models: readonly string[];
  /** Wins over everything else. */
  keep: readonly string[];
  /** Also ends loads that are under way: their process is killed. */
  includeLoading: boolean;
}

/** What is to be done on one router: models to unload, and what is said already of the others. */
export interface Plan {
  unload: string[];
  settled: ModelResult[];
  /** Patterns of the selection that no model matches. */
  unmatched: string[];
}

/** Decides for each model of a router. Pure: the belief is handed in, nothing is asked. */
export function planUnload(models: readonly ModelBelief[], selection: Selection): Plan {
  const plan: Plan = { unload: [], settled: [], unmatched: [] };
  for (const model of models) {
    if (selection.models.length > 0 && !matchesAny(selection.models, model)) continue;
    const decision = decide(model, selection);
    if (decision === 'unload') plan.unload.push(model.id);
    else if (decision) plan.settled.push({ model: model.id, ...decision });
  }
  plan.unmatched = selection.models.filter(
    (pattern) => !models.some((model) => matchesAny([pattern], model)),
  );
  return plan;
}

type Decision = 'unload' | Pick<ModelResult, 'result' | 'detail'> | undefined;

function decide(model: ModelBelief, selection: Selection): Decision {
  const named = selection.models.length > 0;
  switch (model.life.status satisfies Status) {
    case 'loaded':
    case 'sleeping':
      return matchesAny(selection.keep, model)
        ? { result: 'kept', detail: 'it is on the keep list' }
        : 'unload';
    case 'loading':
      if (matchesAny(selection.keep, model)) return { result: 'kept', detail: 'it is on the keep list' };
      if (selection.includeLoading) return 'unload';
      return { result: 'kept', detail: 'it is still loading: --include-loading ends that too' };
    case 'downloading':
      return named ? { result: 'kept', detail: 'it is downloading and holds no memory' } : undefined;
    case 'unloaded':
      return named ? { result: 'already_unloaded' } : undefined;
    case 'other':
      return named ? { result: 'failed', detail: 'the router does not tell its status' } : undefined;
  }
}

function matchesAny(patterns: readonly string[], { id, aliases }: ModelBelief): boolean {
  return patterns.some((pattern) => [id, ...aliases].some((name) => matchesGlob(pattern, name)));
}
