// A substitute for Grafana's state timeline, which @grafana/ui does not export.
import { formattedValueToString, getFieldDisplayName, getFieldSeriesColor } from '@grafana/data';
import { VizLegend } from '@grafana/ui';
import { timeTicks } from './axis.js';

const LABELS = 0.45;
const AXIS = 22;

export function StateTimelineStandIn({ panel, frames, look, width, height }) {
  const rows = frames.map((frame) => rowOf(frame, frames, look));
  const items = legendOf(frames, look);
  const left = Math.min(width * LABELS, 12 + Math.max(...rows.map(({ name }) => name.length)) * 7);
  const place = (at) => ((at - look.from) / (look.to - look.from)) * (width - left);
  const line = look.theme.colors.border.weak;
  return (
    <div style={{ width, height, display: 'flex', flexDirection: 'column', fontSize: 12 }}>
      <div
        style={{
          flex: 1,
          position: 'relative',
          marginLeft: left,
          minHeight: 0,
          borderLeft: `1px solid ${line}`,
        }}
      >
        {rows.map(({ name, spans }, at) => (
          <div
            key={name + String(at)}
            style={{
              position: 'absolute',
              top: `${(at * 100) / rows.length}%`,
              height: `${100 / rows.length}%`,
              width: '100%',
            }}
          >
            <span
              style={{
                position: 'absolute',
                right: '100%',
                top: '50%',
                transform: 'translateY(-50%)',
                paddingRight: 8,
                whiteSpace: 'nowrap',
              }}
            >
              {name}
            </span>
            {spans.map(({ from, to, color }) => (
              <div
                key={from}
                data-drawn
                style={{
                  ...{
                    position: 'absolute',
                    left: place(from),
                    width: Math.max(1, place(to) - place(from)),
                    background: color,
                  },
                  ...{
                    top: `${(1 - panel.options.rowHeight) * 50}%`,
                    height: `${panel.options.rowHeight * 100}%`,
                    opacity: 0.9,
                  },
                }}
              />
            ))}
          </div>
        ))}
      </div>
      <div style={{ height: AXIS, position: 'relative', marginLeft: left, borderTop: `1px solid ${line}` }}>
        {timeTicks(look.from, look.to, width - left).map(({ at, text }) => (
          <span
            key={at}
            style={{ position: 'absolute', left: place(at), top: 4, transform: 'translateX(-50%)' }}
          >
            {text}
          </span>
        ))}
      </div>
      {items && (
        <div style={{ paddingTop: 4 }}>
          <VizLegend {...{ items, displayMode: 'list', placement: 'bottom' }} />
        </div>
      )}
    </div>
  );
}

/** Neighbouring points of one state form a span; missing points are gaps. */
function rowOf(frame, frames, { to }) {
  const [time, value] = frame.fields;
  const step = time.config.interval;
  const spans = [];
  time.values.forEach((at, index) => {
    const { text, color } = value.display(value.values[index]);
    const last = spans.at(-1);
    if (last && at - last.to < step && last.text === text) last.to = Math.min(at + step, to);
    else spans.push({ from: at, to: Math.min(at + step, to), text, color });
  });
  return { name: getFieldDisplayName(value, frame, frames), spans };
}

/** Like Grafana: no legend for continuous colours, otherwise all states that occur. */
function legendOf(frames, { theme }) {
  const values = frames.map(({ fields }) => fields[1]);
  if (values[0].config.color?.mode?.startsWith('continuous')) return undefined;
  const states = new Map();
  for (const field of values) {
    for (const value of field.values) {
      const shown = field.display(value);
      states.set(formattedValueToString(shown), shown.color ?? getFieldSeriesColor(field, theme).color);
    }
  }
  return [...states].map(([label, color]) => ({ label, color, yAxis: 1 }));
}
