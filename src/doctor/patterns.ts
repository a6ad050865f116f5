import type { Config } from '../config/schema.ts';
import { matchesModel } from '../models/router-state.ts';
import { excerpt, type Finding, findingsOf, fine, plural, warn } from './finding.ts';
import { modelGlobs } from './model-globs.ts';
import { listedModels, type RouterEvidence } from './router-evidence.ts';

/** Findings about globs of models: one that matches no model is probably misspelt. */
export function diagnosePatterns(config: Config, examined: readonly RouterEvidence[]): Finding[] {
  const listings = examined.map((evidence) => ({ name: evidence.name, models: listedModels(evidence) }));
  const found = modelGlobs(config).flatMap(({ option, glob, router }) => {
    const asked = listings.filter(({ name }) => router === undefined || router === name);
    // A router that was not listed may have a model that matches.
    if (asked.some(({ models }) => models === undefined)) return [];
    const matches = asked.some(({ models = [] }) => models.some((model) => matchesModel([glob], model)));
    return [{ shown: `'${glob}' in ${option}`, matches }];
  });
  const unmatched = found.flatMap(({ shown, matches }) => (matches ? [] : shown));
  return findingsOf('patterns', [
    warn(
      'unmatched',
      unmatched.length > 0,
      `${plural(unmatched.length, 'glob')} matching no model: ${excerpt(unmatched.join(', '))}`,
      'Correct the spelling: a model that should be kept is not. A glob must match the whole ID or alias of a model.',
    ),
    fine(found.length > 0, 'every glob of a model in the configuration matches one'),
  ]);
}
