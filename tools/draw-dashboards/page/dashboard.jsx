import { PanelChrome } from '@grafana/ui';
import { Component } from 'react';
import { MARGIN, placeOf } from './grid.js';
import { PANELS } from './panels.jsx';

/** A dashboard with a header that shows the variables. */
export function Dashboard({ dashboard, panels, look, marks, onFailure }) {
  const places = panels.map(({ panel }) => placeOf(panel.gridPos));
  const height = Math.max(...places.map((place) => place.top + place.height));
  return (
    <div style={{ background: look.theme.colors.background.canvas, padding: MARGIN }}>
      <Head {...{ dashboard, look }} />
      <div style={{ position: 'relative', height }}>
        {panels.map(({ panel, frames }, at) => (
          <div key={panel.id} id={`panel-${panel.id}`} style={{ position: 'absolute', ...places[at] }}>
            <Framed {...{ panel, frames, look, marks, onFailure }} {...places[at]} />
          </div>
        ))}
      </div>
    </div>
  );
}

function Framed({ panel, frames, look, marks, onFailure, width, height }) {
  const { Content, standsIn } = PANELS[panel.type];
  return (
    <PanelChrome
      {...{ width, height, title: panel.title, description: panel.description }}
      actions={standsIn && <Note theme={look.theme}>a stand-in: @grafana/ui has no {standsIn}</Note>}
      showMenuAlways
    >
      {(innerWidth, innerHeight) =>
        frames.length === 0 ? (
          <div style={{ padding: 16, textAlign: 'center' }}>
            {panel.fieldConfig.defaults.noValue ?? 'No data'}
          </div>
        ) : (
          <Guard onFailure={(error) => onFailure(panel.id, error)}>
            <Content {...{ panel, frames, look, marks, width: innerWidth, height: innerHeight }} />
          </Guard>
        )
      }
    </PanelChrome>
  );
}

function Note({ theme, children }) {
  return (
    <span style={{ fontSize: 11, fontStyle: 'italic', color: theme.colors.text.secondary }}>{children}</span>
  );
}

function Head({ dashboard, look }) {
  const { colors, shape } = look.theme;
  const box = {
    border: `1px solid ${colors.border.weak}`,
    borderRadius: shape.radius.default,
    padding: '3px 8px',
  };
  const time = (at) => new Date(at).toISOString().slice(11, 19);
  return (
    <div style={{ display: 'flex', alignItems: 'center', gap: 8, marginBottom: 12, fontSize: 12 }}>
      <span style={{ fontSize: 18, fontWeight: 500, marginRight: 12 }}>{dashboard.title}</span>
      {dashboard.templating.list.map(({ name, label, type }) => (
        <span key={name} style={box}>
          <span style={{ color: colors.text.secondary }}>{label}</span>{' '}
          {type === 'datasource' ? 'default' : 'All'}
        </span>
      ))}
      <span style={{ ...box, marginLeft: 'auto' }}>
        {time(look.from)} to {time(look.to)} UTC
      </span>
    </div>
  );
}

/** Reports an error of a panel without affecting the others. */
class Guard extends Component {
  state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  componentDidCatch(error) {
    this.props.onFailure(String(error));
  }

  render() {
    return this.state.failed ? null : this.props.children;
  }
}
