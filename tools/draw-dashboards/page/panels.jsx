// Panel types with Grafana's own components, used like Grafana's plugins.
import { getDisplayValueAlignmentFactors, getFieldDisplayValues, VizOrientation } from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
// The package exports only some of the components that Grafana uses.
import { applyNullInsertThreshold } from '../node_modules/@grafana/ui/dist/esm/graveyard/GraphNG/nullInsertThreshold.mjs';
import { BarChartStandIn } from './bar-chart.jsx';
import { drawMarks } from './marks.js';
import { StateTimelineStandIn } from './state-timeline.jsx';

/** By type; the second value marks substitutes. */
export const PANELS = {
  timeseries: { Content: Graph },
  stat: { Content: Stat },
  bargauge: { Content: Gauge },
  table: { Content: Table },
  'state-timeline': { Content: StateTimelineStandIn, standsIn: 'state timeline' },
  barchart: { Content: BarChartStandIn, standsIn: 'bar chart' },
};

function Graph({ panel, frames, look, marks, width, height }) {
  return (
    <TimeSeries
      {...{ frames: frames.map((frame) => graphable(frame, look)), width, height }}
      structureRev={1}
      timeRange={look.timeRange}
      timeZone="utc"
      legend={panel.options.legend}
      options={panel.options}
    >
      {(config) => drawMarks(config, marks, look.theme)}
    </TimeSeries>
  );
}

/** Like Grafana before it draws lines: nulls for missing steps and for values that are not numbers. */
function graphable(frame, { from, to }) {
  const filled = applyNullInsertThreshold({ frame, refFieldPseudoMin: from, refFieldPseudoMax: to });
  const fields = filled.fields.map((field) =>
    field.type === 'number'
      ? { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) }
      : field,
  );
  return { ...filled, fields };
}

function valuesOf(panel, frames, theme) {
  return getFieldDisplayValues({
    ...{ data: frames, fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions },
    ...{ replaceVariables: (text) => text, theme, timeZone: 'utc' },
  });
}

function Stat({ panel, frames, look, width, height }) {
  const { orientation = VizOrientation.Auto, ...options } = panel.options;
  return (
    <VizRepeater
      {...{ width, height, orientation, source: frames, renderCounter: 1 }}
      getValues={() => valuesOf(panel, frames, look.theme)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      itemSpacing={3}
      autoGrid
      renderValue={({ value, alignmentFactors, count, ...size }) => (
        <BigValue
          {...{ ...size, value: value.display, count, alignmentFactors, theme: look.theme }}
          {...{ colorMode: options.colorMode, graphMode: options.graphMode, textMode: options.textMode }}
          justifyMode={options.justifyMode}
          text={options.text}
        />
      )}
    />
  );
}

function Gauge({ panel, frames, look, width, height }) {
  const { orientation, displayMode, showUnfilled = true, text, valueMode, namePlacement } = panel.options;
  return (
    <VizRepeater
      {...{ width, height, orientation, source: frames, renderCounter: 1 }}
      {...{ itemSpacing: 10, minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300 }}
      getValues={() => valuesOf(panel, frames, look.theme)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, alignmentFactors, orientation: turned, ...size }) => (
        <BarGauge
          {...{ ...size, orientation: turned, alignmentFactors, theme: look.theme, text }}
          {...{
            value: value.display,
            field: value.field,
            display: value.view?.getFieldDisplayProcessor(value.colIndex),
          }}
          {...{ displayMode, showUnfilled, valueDisplayMode: valueMode, namePlacement, itemSpacing: 10 }}
        />
      )}
    />
  );
}

function Table({ panel, frames, look, width, height }) {
  const { sortBy, cellHeight = 'sm' } = panel.options;
  return (
    <TableNG
      {...{ width, height, sortBy, cellHeight, data: frames[0], fieldConfig: panel.fieldConfig }}
      timeRange={look.timeRange}
      structureRev={1}
      enableVirtualization={false}
    />
  );
}
