import { AnnotationQueryBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { series, sum } from './promql.ts';
import { DATASOURCE } from './variables.ts';

interface Mark {
  readonly name: string;
  readonly color: string;
  readonly expr: string;
  readonly title: string;
  readonly text?: string;
  /** Enabled by default. */
  readonly on?: boolean;
}

const up = series(CATALOG.up);

/** Events, shown as lines across every graph. */
const MARKS: readonly Mark[] = [
  {
    name: 'Unloads',
    color: 'blue',
    expr: sinceLastStep(sumOfUnloads(['instance', 'router', 'model', 'reason'], 'requested|external')),
    title: '{{model}} unloaded ({{reason}})',
    text: '{{router}}',
  },
  {
    // A server with more models than room evicts all day: every graph would be full of lines.
    name: 'Evictions and ends of a ttl',
    color: 'yellow',
    expr: sinceLastStep(sumOfUnloads(['instance', 'router', 'model', 'reason'], 'evicted|expired')),
    title: '{{model}} {{reason}}',
    text: '{{router}}',
    on: false,
  },
  {
    name: 'Crashes',
    color: 'red',
    expr: sinceLastStep(sumOfUnloads(['instance', 'router', 'model'], 'crashed')),
    title: '{{model}} crashed',
    text: '{{router}}',
  },
  {
    name: 'Holds',
    color: 'orange',
    expr: `${series(CATALOG.hold_active)} == 1`,
    title: '{{router}} is held',
  },
  {
    name: 'Router restarts',
    color: 'purple',
    expr: `${up} == 1 and (${up} offset $__interval == 0 or min_over_time(${up}[$__interval]) == 0)`,
    title: '{{router}} is back',
  },
];

/**
 * The growth of a counter since the previous step. increase() would need a window longer than the step and mark one event
 * several times; Grafana makes `$__rate_interval` four steps long here.
 */
function sinceLastStep(count: (offset: string) => string): string {
  return `${count('')} - ${count(' offset $__interval')} > 0`;
}

function sumOfUnloads(by: readonly string[], reason: string) {
  return (offset: string) => sum(by, `${series(CATALOG.model_unloads_total, { reason })}${offset}`);
}

/** Minimum step. Neighbouring points become one region, so a hold is shown for its whole duration. */
const STEP = '60s';

export function annotations() {
  return MARKS.map(({ name, color, expr, title, text = '', on = true }) =>
    new AnnotationQueryBuilder()
      .name(name)
      .datasource(DATASOURCE)
      .enable(on)
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
