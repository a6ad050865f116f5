// Draws grafana/dashboards with Grafana's own components from a real Prometheus. By default it first runs two simulated
// routers for some minutes and writes docs/pictures. With `--prometheus` it uses an existing Prometheus and writes pictures only
// with `--into`.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { drawAll } from './drawing.mjs';
import { drawPages } from './pages.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    into: { type: 'string' },
    prometheus: { type: 'string', default: '' },
    from: { type: 'string', default: '' },
    to: { type: 'string', default: '' },
    now: { type: 'string', default: '' },
    'scrape-seconds': { type: 'string', default: '5' },
    'least-step': { type: 'string' },
    json: { type: 'boolean', default: false },
    themes: { type: 'string', default: 'dark,light' },
    only: { type: 'string', default: '' },
  },
});
const { minutes, prometheus, json, themes, only } = values;
const into = values.into ?? (prometheus === '' ? join(root, 'docs/pictures') : '');
const folder = join(root, 'grafana/dashboards');
const dashboards = readdirSync(folder)
  .filter((file) => only === '' || only.split(',').includes(file.replace('.json', '')))
  .map((file) => ({
    name: file.replace('.json', ''),
    dashboard: JSON.parse(readFileSync(join(folder, file), 'utf8')),
  }));
if (into !== '') mkdirSync(into, { recursive: true });

const wish = { dashboards, themes: themes.split(','), into };
const report = prometheus === '' ? await drawLife() : await drawAll({ ...wish, ...given() });

if (json) console.log(JSON.stringify(report));
else for (const line of faultyLines()) console.log(line);
if (report.some(({ faults }) => faults.length > 0)) process.exitCode = 1;

/** Times in seconds since the epoch. */
function given() {
  const [from, to, now] = [values.from, values.to, values.now || values.to].map((at) => Number(at) * 1000);
  const scrapeSeconds = Number(values['scrape-seconds']);
  return { prometheus, from, to, now, scrapeSeconds, leastStep: values['least-step'] };
}

async function drawLife() {
  const { startFleet } = await import('./fleet.mjs');
  const { live } = await import('./life.mjs');
  const fleet = await startFleet();
  try {
    console.error(`Watching two simulated routers for ${minutes} minutes…`);
    const { startedAt, endedAt, over } = await live(fleet, Number(minutes) * 60);
    const { url } = fleet.prometheus;
    const drawn = await drawAll({
      ...{ ...wish, prometheus: url, from: startedAt, to: endedAt, now: endedAt },
      scrapeSeconds: fleet.scrapeSeconds,
    });
    await drawPages(fleet.page, into);
    over();
    return drawn;
  } finally {
    await fleet.stop();
  }
}

function faultyLines() {
  const lines = report
    .filter(({ faults }) => faults.length > 0)
    .map(({ dashboard, theme, title, faults }) => `${dashboard} (${theme}): ${title}: ${faults.join('; ')}`);
  return [...lines, `${report.length} panels drawn, ${lines.length} with faults.`];
}
