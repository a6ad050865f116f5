import { PanelBuilder as BarChartBuilder } from '@grafana/grafana-foundation-sdk/barchart';
import { PanelBuilder as BarGaugeBuilder } from '@grafana/grafana-foundation-sdk/bargauge';
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  BarGaugeDisplayMode,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TableSortByFieldStateBuilder,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type DashboardLink,
  type DynamicConfigValue,
  FieldColorBuilder,
  FieldColorModeId,
  type Panel,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as StateTimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { NoUnit } from '@grafana/grafana-foundation-sdk/units';
import { GREY } from './colors.ts';
import { DATASOURCE } from './variables.ts';

/** A panel without id and position, which the dashboard sets. */
export type PanelOf = Builder<Panel>;

interface Query {
  readonly expr: string;
  /** Name of a series, such as `{{model}}`. */
  readonly legend: string;
}

interface Words {
  readonly title: string;
  /** What it shows and how to read it. */
  readonly description: string;
  /** A Grafana unit, see the SDK's `units`. */
  readonly unit: string;
  /** In grid columns; a row has 24. */
  readonly width: number;
  /** In grid rows of about 38 pixels. */
  readonly height?: number;
  /** By the name of a series, or a regular expression between slashes. */
  readonly colors?: Readonly<Record<string, string>>;
  readonly link?: Builder<DashboardLink>;
  /** Text shown without data, if that is the normal case. */
  readonly empty?: string;
}

/** The colour from each value upwards; the first step has no value. */
export type Steps = readonly (readonly [from: number | null, color: string])[];

/** The last step is the threshold of prometheus/rules/thresholds.yml. */
export const FULL: Steps = [
  [null, 'green'],
  [0.75, 'yellow'],
  [0.9, 'orange'],
];

const HEIGHT = 8;
const LOW = 4;

interface StatWords extends Words {
  readonly queries: readonly Query[];
  /** By the name of a value, for values from 1: a red 0 would look like a problem. */
  readonly colors?: Readonly<Record<string, string>>;
  readonly steps?: Steps;
  readonly meanings?: readonly ValueMapping[];
  readonly decimals?: number;
}

/** Current numbers. */
export function stat(words: StatWords): PanelOf {
  const { queries, steps, meanings = [], decimals, colors = {}, ...plain } = words;
  const panel = new StatBuilder()
    .mappings([...meanings])
    .thresholds(thresholds(steps ?? [[null, 'text']]))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.None)
    .textMode(
      queries.length > 1 || queries[0]?.legend.includes('{{')
        ? BigValueTextMode.ValueAndName
        : BigValueTextMode.Value,
    )
    .reduceOptions(lastOf());
  if (decimals !== undefined) panel.decimals(decimals);
  for (const [name, color] of Object.entries(colors)) {
    panel.overrideByName(name, [
      {
        id: 'thresholds',
        value: thresholds([
          [null, 'text'],
          [1, color],
        ]).build(),
      },
    ]);
  }
  return build(panel, { height: LOW, ...plain }, instant(queries));
}

interface GaugeWords extends Words {
  readonly queries: readonly Query[];
  readonly steps: Steps;
}

/** A ratio from 0 to 1. */
export function fillGauge(words: GaugeWords): PanelOf {
  const panel = new BarGaugeBuilder()
    .min(0)
    .max(1)
    .decimals(0)
    .thresholds(thresholds(words.steps))
    .displayMode(BarGaugeDisplayMode.Basic)
    .orientation(VizOrientation.Horizontal)
    .reduceOptions(lastOf());
  return build(panel, { height: LOW, ...words }, instant(words.queries));
}

interface GraphWords extends Words {
  readonly queries: readonly Query[];
  /** Default: lines. Use bars for events, points for values that exist only at events. */
  readonly draw?: 'lines' | 'bars' | 'points' | 'areas';
  /** Default: true for bars and areas. */
  readonly stacked?: boolean;
  readonly max?: number;
}

/** Values over time. */
export function graph(words: GraphWords): PanelOf {
  const { draw = 'lines', stacked = draw === 'bars' || draw === 'areas', queries } = words;
  const style = draw === 'areas' ? 'lines' : draw;
  const panel = new TimeSeriesBuilder()
    .min(0)
    .drawStyle(
      { lines: GraphDrawStyle.Line, bars: GraphDrawStyle.Bars, points: GraphDrawStyle.Points }[style],
    )
    .lineWidth(draw === 'bars' ? 0 : 1)
    .fillOpacity({ lines: 0, bars: 80, points: 0, areas: 40 }[draw])
    .showPoints(draw === 'points' ? VisibilityMode.Always : VisibilityMode.Auto)
    .pointSize(draw === 'points' ? 7 : 4)
    .spanNulls(false)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic))
    .stacking(new StackingConfigBuilder().mode(stacked ? StackingMode.Normal : StackingMode.None).group('A'))
    .legend(legend())
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (words.max !== undefined) panel.max(words.max);
  // Counts are whole numbers; without data the axis would reach 100.
  if (words.unit === NoUnit) panel.decimals(0).axisSoftMax(1);
  // Needed by `events`.
  if (draw === 'bars') panel.interval('1m');
  return build(panel, words, ranged(queries));
}

interface TimelineWords extends Words {
  readonly queries: readonly Query[];
  readonly meanings: readonly ValueMapping[];
}

/** States over time. Unknown states are gaps. */
export function timeline(words: TimelineWords): PanelOf {
  const panel = new StateTimelineBuilder()
    .mappings([...words.meanings])
    // Grafana shows no legend for the default, continuous colours.
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Fixed).fixedColor('text'))
    .mergeValues(true)
    .showValue(VisibilityMode.Never)
    .rowHeight(0.8)
    .lineWidth(0)
    .fillOpacity(90)
    .spanNulls(false)
    .legend(legend())
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Single).sort(SortOrder.None));
  return build(panel, words, ranged(words.queries));
}

interface Column {
  /** A label, or the title of a value. */
  readonly name: string;
  readonly title?: string;
  readonly unit?: string;
  readonly meanings?: readonly ValueMapping[];
  readonly width?: number;
}

interface TableWords extends Words {
  /** Each adds a value column; without `value` it only adds rows. Rows are joined by the labels that all queries have. */
  readonly queries: readonly { readonly expr: string; readonly value?: Column }[];
  readonly columns: readonly Column[];
  /** Column to sort by, largest first. */
  readonly sortBy: string;
  readonly ascending?: boolean;
}

/** Current values as rows. */
export function table(words: TableWords): PanelOf {
  const { queries, columns, sortBy, ascending = false } = words;
  const values = queries.flatMap(({ value }, at) => fieldsOf(at).map((field) => ({ value, field })));
  const shown = [
    ...columns.map((column) => ({ ...column, field: column.name })),
    ...values.flatMap(({ value, field }) => (value ? [{ ...value, field }] : [])),
  ];
  const hidden = ['Time', ...values.filter(({ value }) => !value).map(({ field }) => field)];
  const panel = new TableBuilder()
    .filterable(false)
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({
      id: 'organize',
      options: {
        excludeByName: Object.fromEntries(hidden.map((field) => [field, true])),
        indexByName: Object.fromEntries(shown.map(({ field }, index) => [field, index])),
        renameByName: Object.fromEntries(shown.map(({ field, name, title }) => [field, title ?? name])),
      },
    })
    .sortBy([new TableSortByFieldStateBuilder().displayName(sortBy).desc(!ascending)]);
  // Otherwise Grafana shows the text in every empty cell too.
  if (words.empty) panel.overrideByRegexp('/./', [{ id: 'noValue', value: '' }]);
  const formatted = [...columns, ...queries.flatMap(({ value }) => value ?? [])];
  for (const { name, title = name, unit, meanings, width } of formatted) {
    const properties: DynamicConfigValue[] = [];
    if (unit !== undefined) properties.push({ id: 'unit', value: unit });
    if (width !== undefined) properties.push({ id: 'custom.width', value: width });
    if (meanings !== undefined) properties.push({ id: 'mappings', value: meanings }, COLORED);
    if (properties.length > 0) panel.overrideByName(title, properties);
  }
  return build(
    panel,
    words,
    queries.map(({ expr }) => query(expr).instant().format(PromQueryFormat.Table)),
  );
}

const COLORED: DynamicConfigValue = { id: 'custom.cellOptions', value: { type: 'color-text' } };

/** Grafana adds the query's letter to the value field, except if only one query returns data. */
function fieldsOf(at: number): string[] {
  return [...(at === 0 ? ['Value'] : []), `Value #${letter(at)}`];
}

interface StackedBarsWords extends Words {
  /** One sample per part of a bar, with both labels. */
  readonly expr: string;
  readonly bar: string;
  readonly part: string;
}

/** A bar per value of one label, stacked by the values of another. */
export function stackedBars(words: StackedBarsWords): PanelOf {
  const { expr, bar, part } = words;
  const panel = new BarChartBuilder()
    .withTransformation({
      id: 'groupingToMatrix',
      options: { rowField: bar, columnField: part, valueField: 'Value', emptyValue: 'null' },
    })
    .xField(`${bar}\\${part}`)
    .orientation(VizOrientation.Horizontal)
    .stacking(StackingMode.Normal)
    .showValue(VisibilityMode.Never)
    .barWidth(0.8)
    .lineWidth(0)
    .fillOpacity(90)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic))
    .legend(legend())
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  return build(panel, words, [query(expr).instant().format(PromQueryFormat.Table)]);
}

/** Fixed colours in memory graphs; models use the palette. */
export const MEMORY_COLORS = { 'other processes': 'rgb(128, 128, 128)', free: GREY };

function build(panel: AnyBuilder, words: Words, queries: DataqueryBuilder[]): PanelOf {
  const { title, description, unit, width, height = HEIGHT, colors = {}, link, empty } = words;
  panel.title(title).description(description).unit(unit).datasource(DATASOURCE).span(width).height(height);
  panel.targets(queries.map((one, at) => one.refId(letter(at))));
  for (const [name, color] of Object.entries(colors)) {
    const fixed = [{ id: 'color', value: { mode: FieldColorModeId.Fixed, fixedColor: color } }];
    if (name.startsWith('/')) panel.overrideByRegexp(name, fixed);
    else panel.overrideByName(name, fixed);
  }
  if (link) panel.links([link]);
  if (empty) panel.noValue(empty);
  return panel;
}

/** All panel builders. */
type AnyBuilder =
  | TimeSeriesBuilder
  | StatBuilder
  | BarGaugeBuilder
  | StateTimelineBuilder
  | TableBuilder
  | BarChartBuilder;

function instant(queries: readonly Query[]): DataqueryBuilder[] {
  return queries.map(({ expr, legend: name }) => query(expr).legendFormat(name).instant());
}

function ranged(queries: readonly Query[]): DataqueryBuilder[] {
  return queries.map(({ expr, legend: name }) => query(expr).legendFormat(name).range());
}

function query(expr: string): DataqueryBuilder {
  return new DataqueryBuilder().datasource(DATASOURCE).expr(expr);
}

function letter(at: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + at);
}

function lastOf() {
  return new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('').values(false);
}

function legend() {
  return new VizLegendOptionsBuilder()
    .showLegend(true)
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
    .calcs([]);
}

function thresholds(steps: Steps) {
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps(steps.map(([value, color]) => ({ value, color })));
}
