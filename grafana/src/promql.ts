import { CATALOG } from '../../src/metrics/catalog.ts';
import type { Family } from '../../src/metrics/exposition.ts';
import { RUNNING } from '../../src/models/feed.ts';

/** Regular expressions, anchored at both ends, by label. */
type Matchers<Label extends string> = Partial<Record<Label, string>>;

/** Labels to aggregate by. `instance` separates routers with the same name, such as localhost:8080. */
type By<Label extends string> = readonly (Label | 'instance')[];

/** Labels with a dashboard variable of the same name. */
const CHOSEN = ['router', 'model'];

/** The series of a family, filtered by the dashboard variables. */
export function series<Label extends string>(
  family: Family<Label>,
  matchers: Matchers<NoInfer<Label>> = {},
  suffix = '',
): string {
  const chosen = CHOSEN.filter((label) => (family.labels as readonly string[]).includes(label));
  const all = [
    ...['instance', ...chosen].map((label) => `${label}=~"$${label}"`),
    ...Object.entries(matchers).map(([label, pattern]) => `${label}=~"${pattern}"`),
  ];
  return `${family.name}${suffix}{${all.join(', ')}}`;
}

export const sum = (by: readonly string[], expr: string) => aggregate('sum', by, expr);
export const min = (by: readonly string[], expr: string) => aggregate('min', by, expr);
export const max = (by: readonly string[], expr: string) => aggregate('max', by, expr);

/** Growth of a counter per second. */
export function rate<Label extends string>(
  family: Family<Label>,
  by: By<NoInfer<Label>>,
  matchers: Matchers<NoInfer<Label>> = {},
): string {
  return sum(by, `rate(${series(family, matchers)}[$__rate_interval])`);
}

/**
 * Number of events in each step of a graph. `$__rate_interval` includes one scrape before the step, so no event is lost;
 * rounding removes the extrapolation of increase().
 */
export function events<Label extends string>(
  family: Family<Label>,
  by: By<NoInfer<Label>>,
  matchers: Matchers<NoInfer<Label>> = {},
): string {
  return `round(${sum(by, `increase(${series(family, matchers)}[$__rate_interval])`)})`;
}

/** Number of observations of a histogram in each step of a graph. */
export function observations<Label extends string>(family: Family<Label>, by: By<NoInfer<Label>>): string {
  return `round(${sum(by, `increase(${series(family, {}, '_count')}[$__rate_interval])`)})`;
}

/** Number of events in the selected time range. */
export function inRange<Label extends string>(
  family: Family<Label>,
  by: By<NoInfer<Label>>,
  matchers: Matchers<NoInfer<Label>> = {},
): string {
  return `round(${sum(by, `increase(${series(family, matchers)}[$__range])`)})`;
}

/** Mean of a histogram in each step; empty without observations. */
export function mean<Label extends string>(family: Family<Label>, by: By<NoInfer<Label>>): string {
  const grown = (suffix: string) => sum(by, `rate(${series(family, {}, suffix)}[$__rate_interval])`);
  return `${grown('_sum')} / (${grown('_count')} > 0)`;
}

/** Quantile of a histogram in each step. */
export function quantile<Label extends string>(
  share: number,
  family: Family<Label>,
  by: By<NoInfer<Label>>,
): string {
  const buckets = `rate(${series(family, {}, '_bucket')}[$__rate_interval])`;
  return `histogram_quantile(${share}, ${sum(['le', ...by], buckets)})`;
}

/** Limits a series that every program has to the exporters. */
export function ofExporter(expr: string): string {
  return `${expr} and on (job, instance) ${series(CATALOG.exporter_build_info)}`;
}

/** Seconds since a time. */
export const since = (expr: string) => `time() - ${expr}`;

/** Statuses of models with a process. */
export const IN_MEMORY = RUNNING.join('|');

/** Limits `expr` to models that are loading, in memory or unloading. */
export function ofModelsInMemory(expr: string): string {
  const there = series(CATALOG.model_status, { status: IN_MEMORY });
  return `${expr} and on (instance, router, model) ${there} == 1`;
}

/** Memory of each card: of its own pool, or of both pools of an APU. */
export function ofCards(family: Family<'gpu' | 'gpu_uuid' | 'name' | 'pool'>): string {
  const own = series(family, { pool: 'vram|host' });
  const shared = `${series(family)} and on (instance, gpu_uuid) ${series(CATALOG.gpu_integrated)} == 1`;
  return sum(['instance', 'gpu', 'gpu_uuid'], `${own} or ${shared}`);
}

/** Adds a label `card` with GPU number and instance; bars have no room for the GPU's name. */
export function withCard(expr: string): string {
  const numbers = `max by (instance, gpu_uuid, gpu) (${series(CATALOG.gpu_memory_total_bytes)})`;
  const joined = `label_join(${numbers}, "card", " ", "gpu", "instance")`;
  const card = `label_replace(${joined}, "card", "GPU $1", "card", "(.+)")`;
  return `(${expr}) * on (instance, gpu_uuid) group_left (card) (${card} > bool 0)`;
}

function aggregate(operator: string, by: readonly string[], expr: string): string {
  return by.length === 0 ? `${operator}(${expr})` : `${operator} by (${by.join(', ')}) (${expr})`;
}
