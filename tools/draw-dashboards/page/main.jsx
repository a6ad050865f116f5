// The page that draws one dashboard. draw.mjs provides the dashboard and Prometheus' answers.
import '@grafana/react-data-grid/lib/styles.css';
import 'uplot/dist/uPlot.min.css';
import { createTheme, dateTime, getValueFormats, ThemeContext } from '@grafana/data';
import { GlobalStyles } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { Dashboard } from './dashboard.jsx';
import { dressed } from './fields.js';
import { placeOf } from './grid.js';
import { faultsOfDrawing } from './look.js';
import { framesOf, marksOf } from './questions.js';

/** Interval and number of checks whether everything is drawn, which takes some frames. */
const LOOK_MS = 200;
const MOST_LOOKS = 25;

/** Registers Grafana's transformations. */
const UNITS = new Set(getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value)));

/**
 * Draws a dashboard and resolves with the faults of each panel.
 * @param {{ dashboard: object, from: number, to: number, now: number, scrapeSeconds: number, theme: 'dark' | 'light', marked: boolean }} wish
 *   `marked`: with annotations, and panels may show their text for no data: for pictures, not for checks
 */
globalThis.drawDashboard = async ({ dashboard, theme: mode, marked, ...wish }) => {
  const theme = createTheme({ colors: { mode } });
  const raw = { from: wish.from, to: wish.to };
  const look = { ...wish, theme, marked, ask: globalThis.askPrometheus, timeRange: rangeOf(raw) };
  const panels = await Promise.all(dashboard.panels.map((panel) => prepared(panel, look)));
  const failed = new Map();
  const onFailure = (id, error) => failed.set(id, error);
  const root = createRoot(document.getElementById('dashboard'));
  const faults = ({ panel, faults }) => [
    ...faults,
    ...(failed.has(panel.id) ? [failed.get(panel.id)] : faultsOfDrawing(panel)),
  ];
  /** Resolves when every panel is drawn correctly, or after the last check. */
  const show = async (marks) => {
    root.render(
      <ThemeContext.Provider value={theme}>
        <GlobalStyles />
        <Dashboard key={marks.length} {...{ dashboard, panels, look, marks, onFailure }} />
      </ThemeContext.Provider>,
    );
    await document.fonts.ready;
    for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (looks > 1 && panels.every((panel) => faults(panel).length === 0)) return;
    }
  };
  // First without annotations, whose colours would hide an empty panel.
  await show([]);
  const report = panels.map((one) => ({
    ...{ id: one.panel.id, title: one.panel.title, type: one.panel.type },
    faults: faults(one),
  }));
  const shown = dashboard.annotations.list.filter(({ enable }) => enable && marked);
  const marks = await Promise.all(shown.map((one) => marksOf(one, look)));
  if (marks.flat().length > 0) await show(marks.flat());
  return report;
};

async function prepared(panel, look) {
  const faults = unitsOf(panel)
    .filter((unit) => !UNITS.has(unit))
    .map((unit) => `Grafana has no unit '${unit}'`);
  try {
    const answers = await framesOf(panel, look, placeOf(panel.gridPos).width - 16);
    if (answers.length === 0)
      return { panel, frames: [], faults: mayBeEmpty(panel, look) ? faults : [...faults, 'no data'] };
    return { panel, frames: await dressed(panel, answers, look.theme), faults };
  } catch (error) {
    return { panel, frames: [], faults: [...faults, String(error)] };
  }
}

/** In a picture, a panel may be empty if it has a text for that. */
function mayBeEmpty({ fieldConfig }, { marked }) {
  return marked && fieldConfig.defaults.noValue !== undefined;
}

function unitsOf({ fieldConfig: { defaults, overrides } }) {
  const asked = overrides.flatMap(({ properties }) => properties);
  return [defaults.unit, ...asked.flatMap(({ id, value }) => (id === 'unit' ? [value] : []))];
}

function rangeOf({ from, to }) {
  const [first, last] = [from, to].map((at) => dateTime(at));
  return { from: first, to: last, raw: { from: first, to: last } };
}
