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

/** A model that was never loaded has 25 at least; one that is loaded, with its histogram and memory, nearly twice as many. */
const SERIES_OF_A_MODEL = 25;

/** A finding when the models of these routers cannot all be in one scrape. */
export function diagnoseSeries({ web }: Config, examined: readonly RouterEvidence[]): Finding[] {
  const models = examined.reduce((sum, evidence) => sum + (listedModels(evidence)?.length ?? 0), 0);
  const series = models * SERIES_OF_A_MODEL;
  return findingsOf('series', [
    warn(
      'too_many_models',
      series > web.max_series,
      `${plural(models, 'model')} with at least ${series} series, but web.max_series is ${web.max_series}`,
      'Models that were never loaded are left out of the scrape. Let routers list fewer models, raise web.max_series, or use several exporters.',
    ),
  ]);
}
