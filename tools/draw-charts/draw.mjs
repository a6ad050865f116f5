// Draws the figures of `npm run bench -- scale --figures FILE`: node draw.mjs FILE FOLDER. Run by its flag --draw.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, View } from 'vega';
import { compile } from 'vega-lite';

const [file = '', folder = ''] = process.argv.slice(2);

/** Title of each panel, and what it shows. */
const PANELS = [
  ['Resident memory, MB', ({ residentBytes }) => residentBytes / 1e6],
  ['CPU of a scrape, ms', ({ scrapeCpuMs }) => scrapeCpuMs],
  ['Size of a scrape, MB', ({ bytes }) => bytes / 1e6],
  ['Start, until all routers are up, s', ({ startSeconds }) => startSeconds],
];

const TICKS = Array.from({ length: 8 }, (_, at) => 10 ** (at - 1));

/** Colours that are readable on GitHub's white and on its dark page. */
const LOOKS = {
  light: { text: '#1f2328', grid: '#d1d9e0', line: '#0969da', other: '#bc4c00' },
  dark: { text: '#e6edf3', grid: '#3d444d', line: '#58a6ff', other: '#f0883e' },
};

const fleets = JSON.parse(readFileSync(file, 'utf8'));
for (const [name, look] of Object.entries(LOOKS)) {
  const { spec } = compile(chartOf(look));
  const svg = await new View(parse(spec), { renderer: 'none' }).toSVG();
  writeFileSync(join(folder, `scale-${name}.svg`), `${svg}\n`);
}

/** Both axes are logarithmic: what is linear is a straight line. */
function chartOf({ text, grid, line, other }) {
  return {
    background: null,
    concat: PANELS.map(([title, measure]) => panelOf(title, measure, { line, other })),
    columns: 2,
    spacing: 30,
    config: {
      font: 'sans-serif',
      view: { stroke: null },
      title: { color: text, fontSize: 14, anchor: 'start' },
      axis: { labelColor: text, titleColor: text, gridColor: grid, domainColor: grid, tickColor: grid },
      text: { color: text },
    },
  };
}

function panelOf(title, measure, { line, other }) {
  const values = fleets.map((fleet) => ({
    series: fleet.series,
    value: measure(fleet),
    name: `${fleet.routers} × ${fleet.models}`,
    single: fleet.models > 1000,
  }));
  const y = {
    field: 'value',
    type: 'quantitative',
    scale: { type: 'log' },
    axis: { title: null, format: '~g', values: TICKS },
  };
  const x = {
    field: 'series',
    type: 'quantitative',
    scale: { type: 'log' },
    axis: { title: 'series', format: '~s', values: TICKS },
  };
  const [usual, single] = [{ filter: '!datum.single' }, { filter: 'datum.single' }];
  const label = { type: 'text', fontSize: 11, dy: -10, clip: false };
  return {
    title,
    width: 330,
    height: 190,
    data: { values },
    encoding: { x, y },
    layer: [
      { transform: [usual], mark: { type: 'line', color: line, point: { color: line, size: 50 } } },
      {
        transform: [usual],
        mark: { ...label, align: 'right', dx: 6 },
        encoding: { text: { field: 'name' } },
      },
      {
        transform: [single],
        mark: { type: 'point', filled: true, shape: 'diamond', color: other, size: 90 },
      },
      {
        transform: [single],
        mark: { ...label, align: 'left', dx: 6, dy: 20 },
        encoding: { text: { field: 'name' } },
      },
    ],
  };
}
