import type { Config } from '../config/schema.ts';
import { type Finding, findingsOf, plural, warn } from './finding.ts';
import { listedModels, type RouterEvidence } from './router-evidence.ts';

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
