import { readFileSync } from 'node:fs';
import type { Request, Response } from 'express';
import type { MemoryReading } from '../../memory/reading.ts';
import { isRunning } from '../../models/status.ts';
import type { Store } from '../../models/store.ts';
import type { AppParts } from '../parts.ts';
import { DIALOG } from './dialog.ts';
import { type Html, html } from './html.ts';
import { keyOf, memoryBars } from './memory.ts';
import { operationsSection } from './operations.ts';
import { routerSection } from './router.ts';
import { STYLE } from './style.ts';

/** Our own style sheet, our own script, our own interface: nothing inline, no frame, no other site. */
const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  // An empty icon, so that browsers ask for none.
  'img-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Runs in browsers, as it is. */
const SCRIPT = readFileSync(new URL('./script.js', import.meta.url), 'utf8');

/**
 * `GET /`: routers and models for people. Without a script it is plain tables, loaded anew every five seconds; with
 * one it follows the events, and can act.
 */
export function pageRoute(parts: AppParts) {
  return (_request: Request, response: Response) => {
    response
      .set({ 'Content-Security-Policy': POLICY, 'Referrer-Policy': 'no-referrer' })
      .type('html')
      .send(renderPage(parts).text);
  };
}

/** `GET /style.css`. */
export function styleRoute(_request: Request, response: Response): void {
  response.type('css').send(STYLE);
}

/** `GET /page.js`. */
export function scriptRoute(_request: Request, response: Response): void {
  response.type('js').send(SCRIPT);
}

function renderPage({ store, holds, operations, memory, scrapes, version, clock }: AppParts): Html {
  const [telemetryPath = ''] = scrapes.keys();
  const routers = store.routers();
  const reading = memory.reading();
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<noscript><meta http-equiv="refresh" content="5"></noscript>
<title>llama-router-exporter</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
<script type="module" src="/page.js"></script>
</head>
<body>
<header><h1>llama-router-exporter</h1><p>${version}</p>
<p id="live" role="status"></p>
<button type="button" class="act" id="forget" hidden>Forget the token</button></header>
<main tabindex="-1" data-version="${version}">
${everywhere(routers)}
${memorySection(routers, reading)}
${routers.map((router) => routerSection(router, { hold: holds.of(router.name), reading, clock }))}
${operationsSection(operations.list(), clock.wall())}
</main>
<footer><nav aria-label="Interfaces">
<a href="${telemetryPath}">Metrics</a>
<a href="/api/v1/routers">Routers (JSON)</a>
<a href="/api/v1/models">Models (JSON)</a>
<a href="/api/v1/operations">Operations (JSON)</a>
<a href="/api/v1/hold">Holds (JSON)</a>
<a href="/api/v1/events">Events (stream)</a>
<a href="/-/ready">Readiness</a>
</nav></footer>
${DIALOG}
</body>
</html>
`;
}

/** One router has a button of its own. */
function everywhere(routers: ReturnType<Store['routers']>): Html | string {
  const acting = routers.filter(
    ({ up, models }) => up && [...models.values()].some(({ lifecycle }) => isRunning(lifecycle.status)),
  );
  if (acting.length < 2) return '';
  return html`<p class="everywhere act"><button type="button" class="act" data-act="unload-all">Unload all, on every router</button></p>`;
}

function memorySection(
  routers: ReturnType<Store['routers']>,
  reading: MemoryReading | undefined,
): Html | string {
  if (reading === undefined) return '';
  const keys = routers.flatMap(({ name, models }) => [...models.keys()].map((id) => keyOf(name, id)));
  const order = new Map(keys.map((key, index) => [key, index]));
  const bars = memoryBars(reading, order);
  return bars.length === 0 ? '' : html`<section data-key="memory"><h2>GPU memory</h2>\n${bars}</section>`;
}
