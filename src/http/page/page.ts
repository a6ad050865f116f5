import type { Request, Response } from 'express';
import { describeEnd, type Hold } from '../../hold/hold.ts';
import type { Holds } from '../../hold/holds.ts';
import { formatBytes } from '../../lib/bytes.ts';
import { formatDuration } from '../../lib/duration.ts';
import type { ModelBelief, RouterBelief } from '../../models/belief.ts';
import type { Store } from '../../models/store.ts';
import { ACTIVITY_UNKNOWN, describeActivity } from '../words.ts';
import { type Html, html } from './html.ts';
import { STYLE } from './style.ts';

interface PageParts {
  store: Store;
  holds: Holds;
  telemetryPath: string;
  version: string;
  now(): number;
}

/** Nothing but our own style sheet: no script, no frame, no other site. */
const POLICY =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** `GET /`: routers and models for people, as plain tables that bring themselves up to date. */
export function pageRoute({ store, holds, telemetryPath, version, now }: PageParts) {
  return (_request: Request, response: Response) => {
    const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>llama-router-exporter</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><h1>llama-router-exporter</h1><p>${version}</p></header>
<main>
${store.routers().map((router) => section(router, holds.of(router.name), now()))}
</main>
<footer><nav aria-label="Interfaces">
<a href="${telemetryPath}">Metrics</a>
<a href="/api/v1/routers">Routers (JSON)</a>
<a href="/api/v1/models">Models (JSON)</a>
<a href="/api/v1/events">Events (stream)</a>
<a href="/api/v1/hold">Holds (JSON)</a>
<a href="/-/ready">Readiness</a>
</nav></footer>
</body>
</html>
`;
    response.set('Content-Security-Policy', POLICY).type('html').send(page.text);
  };
}

/** `GET /style.css`. */
export function styleRoute(_request: Request, response: Response): void {
  response.type('css').send(STYLE);
}

function section(router: RouterBelief, hold: Hold | undefined, now: number): Html {
  const { name, url, up, fault, stream, props, models } = router;
  const state = up === undefined ? 'not asked yet' : up ? 'up' : 'down';
  const facts = [
    url,
    props.build && `llama.cpp ${props.build}`,
    props.modelsMax !== undefined && `at most ${props.modelsMax || 'any number of'} models in memory`,
    router.engineMetrics === 'disabled' && ACTIVITY_UNKNOWN,
    stream === 'connected' ? 'live events' : stream === 'unsupported' ? 'polled' : 'no event stream now',
  ].filter((fact): fact is string => typeof fact === 'string');
  return html`<section>
<h2>${name} <span class="badge ${state.split(' ')[0] ?? ''}">${state}</span></h2>
<p>${facts.join(' · ')}</p>
${fault ? html`<p role="alert" class="fault">${fault.message}. What follows is what was last known.</p>` : ''}
${hold ? holdLine(hold, now) : ''}
${models.size === 0 ? html`<p>No models are listed.</p>` : table([...models.values()], now)}
</section>
`;
}

function holdLine(hold: Hold, now: number): Html {
  const { until, reason, by, enforce } = hold;
  const end = html`<time datetime="${new Date(until).toISOString()}">${describeEnd(hold, now)}</time>`;
  return html`<p class="hold">GPU memory is <strong>kept free</strong> until ${end}${reason && ` for ${reason}`}, asked by ${by}.${enforce ? ' Idle models that are loaded meanwhile are unloaded again.' : ''}</p>`;
}

function table(models: ModelBelief[], now: number): Html {
  const order = ['loading', 'loaded', 'sleeping', 'downloading', 'other', 'unloaded'];
  models.sort((a, b) => order.indexOf(a.life.status) - order.indexOf(b.life.status));
  return html`<table>
<thead><tr><th scope="col">Model</th><th scope="col">Status</th><th scope="col">For</th><th scope="col">Activity</th><th scope="col">Size</th><th scope="col">Last unload</th></tr></thead>
<tbody>
${models.map(
  ({ id, life, facts, activity }) => html`<tr>
<th scope="row">${id}</th>
<td><span class="badge ${life.status}">${life.status}</span>${life.loadFailed ? html` <span class="badge failed">last load failed</span>` : ''}${life.status === 'loading' && life.loading?.progress !== undefined ? ` ${Math.round(life.loading.progress * 100)} %` : ''}</td>
<td>${life.since === undefined ? 'not known' : formatDuration(Math.max(0, now - life.since) / 1000)}</td>
<td>${life.status === 'loaded' ? describeActivity(activity) : ''}${activity?.lastAt !== undefined && !activity.busy ? `, active ${formatDuration(Math.max(0, now - activity.lastAt) / 1000)} ago` : ''}</td>
<td>${facts.sizeBytes === undefined ? '' : formatBytes(facts.sizeBytes)}${facts.quantization ? ` ${facts.quantization}` : ''}</td>
<td>${life.lastUnload ? `${life.lastUnload.reason}, ${formatDuration(Math.max(0, now - life.lastUnload.at) / 1000)} ago` : ''}</td>
</tr>
`,
)}</tbody>
</table>`;
}
