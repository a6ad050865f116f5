import { AnnotationQueryBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { events, series } from './promql.ts';
import { DATASOURCE } from './variables.ts';

interface Mark {
  readonly name: string;
  readonly color: string;
  readonly expr: string;
  readonly title: string;
  readonly text?: string;
}

/** What happened, as lines across every graph. */
const MARKS: readonly Mark[] = [
  {
    name: 'Unloads',
    color: 'blue',
    expr: `${events(CATALOG.modelUnloads, ['router', 'model', 'reason'], { reason: 'requested|external|evicted' })} > 0`,
    title: '{{model}} unloaded ({{reason}})',
    text: '{{router}}',
  },
  {
    name: 'Crashes',
    color: 'red',
    expr: `${events(CATALOG.modelUnloads, ['router', 'model'], { reason: 'crashed' })} > 0`,
    title: '{{model}} crashed',
    text: '{{router}}',
  },
  {
    name: 'Holds',
    color: 'orange',
    expr: `${series(CATALOG.holdActive)} == 1`,
    title: '{{router}} is held',
  },
  {
    name: 'Router restarts',
    color: 'purple',
    expr: `${series(CATALOG.up)} == 1 and min_over_time(${series(CATALOG.up)}[$__rate_interval]) == 0`,
    title: '{{router}} is back',
  },
];

/** The least step: neighbouring points become one region, so a hold is drawn as long as it lasts. */
const STEP = '60s';

export function annotations() {
  return MARKS.map(({ name, color, expr, title, text = '' }) =>
    new AnnotationQueryBuilder()
      .name(name)
      .datasource(DATASOURCE)
      .enable(true)
      .hide(false)
      .iconColor(color)
      .expr(expr)
      .step(STEP)
      .titleFormat(title)
      .textFormat(text)
      .tagKeys('router,model')
      .useValueForTime(false),
  );
}
