// A substitute for Grafana's bar chart, which @grafana/ui does not export: stacked horizontal bars.
import { formattedValueToString, getFieldDisplayName, getFieldSeriesColor } from '@grafana/data';
import { VizLegend } from '@grafana/ui';
import { byteTicks } from './axis.js';

const LABELS = 0.5;
const AXIS = 22;

export function BarChartStandIn({ panel, frames, look, width, height }) {
  const [frame] = frames;
  const [names, ...parts] = frame.fields;
  const shown = parts.filter(({ type }) => type === 'number');
  const color = (field) => getFieldSeriesColor(field, look.theme).color;
  const sums = names.values.map((_, bar) => shown.reduce((sum, { values }) => sum + (values[bar] ?? 0), 0));
  const largest = Math.max(...sums);
  const left = Math.min(width * LABELS, 12 + Math.max(...names.values.map((name) => name.length)) * 6.6);
  const line = look.theme.colors.border.weak;
  const across = width - left - 30;
  const items = shown.map((field) => ({
    ...{ label: getFieldDisplayName(field, frame, frames), color: color(field), yAxis: 1 },
  }));
  return (
    <div style={{ width, height, display: 'flex', flexDirection: 'column', fontSize: 12 }}>
      <div
        style={{
          flex: 1,
          minHeight: 0,
          marginLeft: left,
          borderLeft: `1px solid ${line}`,
          position: 'relative',
        }}
      >
        {names.values.map((name, bar) => (
          <div
            key={name}
            style={{
              height: `${100 / names.values.length}%`,
              display: 'flex',
              alignItems: 'center',
              position: 'relative',
            }}
          >
            <span
              style={{
                position: 'absolute',
                right: '100%',
                width: left,
                paddingRight: 8,
                textAlign: 'right',
              }}
            >
              {name}
            </span>
            {shown.map((field) => (
              <div
                key={field.name}
                data-drawn
                style={{
                  ...{ width: ((field.values[bar] ?? 0) / largest) * across, background: color(field) },
                  ...{ height: `${panel.options.barWidth * 100}%`, opacity: 0.9 },
                }}
              />
            ))}
          </div>
        ))}
      </div>
      <div style={{ height: AXIS, marginLeft: left, position: 'relative', borderTop: `1px solid ${line}` }}>
        {byteTicks(largest, across).map((bytes) => (
          <span
            key={bytes}
            style={{
              position: 'absolute',
              left: (bytes / largest) * across,
              top: 4,
              transform: 'translateX(-50%)',
            }}
          >
            {formattedValueToString(shown[0].display(bytes, 0))}
          </span>
        ))}
      </div>
      <div style={{ paddingTop: 4 }}>
        <VizLegend {...{ items, displayMode: 'list', placement: 'bottom' }} />
      </div>
    </div>
  );
}
