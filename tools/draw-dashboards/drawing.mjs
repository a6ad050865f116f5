// Bundles the page and draws it in headless Chromium.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { CHROMIUM } from './chromium.mjs';
import { writePicture } from './picture.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const ICONS = join(here, 'node_modules/@grafana/ui/dist/public');
/** The path of Grafana's font and its npm package. */
const FONTS = {
  'Inter-Regular.woff2': 'inter-latin-400-normal.woff2',
  'Inter-Medium.woff2': 'inter-latin-500-normal.woff2',
  'Inter-Italic.woff2': 'inter-latin-400-italic.woff2',
};
const ORIGIN = 'http://dashboards.invalid';
const WIDTH = 1440;
/** Taller than any dashboard, because tables do not render invisible rows. */
const HEIGHT = 2600;

/**
 * Returns an entry per panel, dashboard and theme; `faults` is empty if the panel is drawn correctly. Writes pictures to the
 * folder `into` unless it is empty. Rejects if the page does not build or fails.
 */
export async function drawAll({ dashboards, themes, into, prometheus, ...times }) {
  const files = await bundled();
  const browser = await chromium.launch(CHROMIUM);
  const report = [];
  try {
    for (const { name, dashboard } of dashboards) {
      for (const theme of themes) {
        const page = await openPage(browser, files, prometheus);
        const wish = { ...times, dashboard, theme, marked: into !== '' };
        const panels = await page.drawn(wish);
        if (into !== '') {
          writePicture(join(into, `dashboard-${name}-${theme}.png`), await page.shoot());
        }
        report.push(...panels.map((panel) => ({ dashboard: name, theme, ...panel })));
        await page.close();
      }
    }
  } finally {
    await browser.close();
  }
  return report;
}

async function bundled() {
  const { outputFiles } = await build({
    entryPoints: [join(here, 'page/main.jsx')],
    ...{ bundle: true, write: false, outdir: 'out', format: 'iife', target: 'chrome120', logLevel: 'error' },
    ...{ jsx: 'automatic', minify: false, legalComments: 'none' },
    plugins: [withoutEditors],
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  });
  return new Map(outputFiles.map(({ path, contents }) => [path.split('/').at(-1), Buffer.from(contents)]));
}

/** @grafana/ui's code editor: as large as everything else, and unused by panels. */
const withoutEditors = {
  name: 'without editors',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(@monaco-editor|monaco-editor)/ }, () => ({ path: 'none', namespace: 'none' }));
    onLoad({ filter: /./, namespace: 'none' }, () => ({ contents: 'module.exports = {}', loader: 'js' }));
  },
};

const HTML = `<!doctype html><meta charset="utf-8"><title>Dashboard</title>
<link rel="stylesheet" href="/main.css"><body style="margin: 0"><div id="dashboard"></div>
<script>globalThis.__grafana_public_path__ = '/public/'; globalThis.grafanaBootData = { settings: {} };</script>
<script src="/main.js"></script>`;

async function openPage(browser, files, prometheus) {
  const context = await browser.newContext({ viewport: { width: WIDTH, height: HEIGHT }, timezoneId: 'UTC' });
  const page = await context.newPage();
  const broken = [];
  page.on('pageerror', (error) => broken.push(error.stack ?? String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') broken.push(message.text());
  });
  await page.route('**/*', (route) => {
    const path = new URL(route.request().url()).pathname;
    if (path === '/') return route.fulfill({ contentType: 'text/html', body: HTML });
    const file = files.get(path.slice(1));
    if (file)
      return route.fulfill({
        contentType: path.endsWith('.css') ? 'text/css' : 'text/javascript',
        body: file,
      });
    const font = FONTS[path.split('/').at(-1)];
    if (font)
      return route.fulfill({ body: readFileSync(join(here, 'node_modules/@fontsource/inter/files', font)) });
    const icon = /^\/public\/(?:build\/)?(img\/icons\/[\w/-]+\.svg)$/.exec(path)?.[1];
    if (icon) return route.fulfill({ contentType: 'image/svg+xml', body: readFileSync(join(ICONS, icon)) });
    broken.push(`it asks for ${route.request().url()}`);
    return route.abort();
  });
  await page.exposeFunction('askPrometheus', async (path) => {
    const answer = await fetch(prometheus + path);
    const body = await answer.json();
    if (!answer.ok) throw new Error(`Prometheus answered: ${body.error}`);
    return body.data;
  });
  await page.goto(`${ORIGIN}/`);
  return {
    async drawn(wish) {
      const panels = await page.evaluate((given) => globalThis.drawDashboard(given), wish);
      if (broken.length > 0) throw new Error(`The page failed:\n${[...new Set(broken)].join('\n')}`);
      return panels;
    },
    shoot: () => page.locator('#dashboard').screenshot(),
    close: () => context.close(),
  };
}
