// The page that draws one dashboard. Node hands it the dashboard and the answers of Prometheus: see draw.mjs.
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

/** How often, and how many times, it is looked whether all is drawn: it takes some frames. */
const LOOK_MS = 200;
const MOST_LOOKS = 25;

/** All that Grafana knows. */
const UNITS = new Set(getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value)));

/**
 * Draws a dashboard, and resolves with what is wrong with each of its panels.
 * @param {{ dashboard: object, from: number, to: number, now: number, scrapeSeconds: number, theme: 'dark' | 'light', marked: boolean }} wish
 *   `marked`: with annotations, and a panel may be empty if it says so: for a picture, not for a check
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
  /** Resolves when every panel is well, or has had the time for it. */
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
  // Without marks first: their colours would hide that nothing else has any.
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

/** In a picture, what says itself that nothing is well. */
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
