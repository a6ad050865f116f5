import type { Operation } from '../../unload/report.ts';
import type { AppParts } from '../parts.ts';
import type { MemoryView } from '../view-schemas.ts';
import { viewMemory } from '../views.ts';
import {
  describeOperation,
  describeOrphan,
  lastOf,
  type OperationWords,
  PENDING_WORD,
  RESULT_WORDS,
} from '../words.ts';
import { type Column, type Html, html, table } from './html.ts';
import { keyOf, memoryBars } from './memory.ts';
import { overview, type RouterParts, routerSection, unloadableIn } from './router.ts';

type Routers = readonly RouterParts['router'][];

/** Several routers with more models than this are shown as an overview, each with a page of its own. */
const MAX_MODELS = 200;

/** The page of all routers, or of the router that `only` names. It works without its script, as plain tables. */
export function renderPage(parts: AppParts, only: string): string {
  const { store, holds, operations, scrapes, version, clock } = parts;
  const [telemetryPath = ''] = scrapes.keys();
  const all = store.routers();
  const routers = only === '' ? all : all.filter(({ name }) => name === only);
  const memory = viewMemory(parts.memory.reading(), clock);
  const models = routers.reduce((sum, router) => sum + router.models.size, 0);
  const sections = routers.map((router) => ({
    ...{ router, memory, clock },
    holds: holds.on(router.name),
    failedHolds: holds.failedOn(router.name),
  }));
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
${only === '' ? unloadEverywhere(routers) : html`<p><a href="/">All routers</a></p>`}
${memorySection(routers, memory)}
${routers.length > 1 && models > MAX_MODELS ? overview(sections) : sections.map(routerSection)}
${operationsSection(operations.list(), clock.wall())}
</main>
<footer><nav aria-label="Interfaces">
<a href="${telemetryPath}">Metrics</a>
<a href="/api/v1/routers">Routers (JSON)</a>
<a href="/api/v1/models">Models (JSON)</a>
<a href="/api/v1/memory">Memory (JSON)</a>
<a href="/api/v1/operations">Operations (JSON)</a>
<a href="/api/v1/holds">Holds (JSON)</a>
<a href="/api/v1/events">Events (stream)</a>
<a href="/-/ready">Readiness</a>
</nav></footer>
${DIALOG}
</body>
</html>
`.text;
}

/** Only for several routers: a single one has a button of its own. */
function unloadEverywhere(routers: Routers): Html | string {
  if (routers.filter((router) => router.up && unloadableIn(router).length > 0).length < 2) return '';
  return html`<p class="everywhere act"><button type="button" class="act" data-act="unload-all">Unload all models on every router</button></p>`;
}

function memorySection(routers: Routers, memory: MemoryView): Html | string {
  const measured = new Set(memory.models.map(({ router }) => router));
  const keys = routers
    .filter(({ name }) => measured.has(name))
    .flatMap(({ name, models }) => [...models.keys()].map((id) => keyOf(name, id)));
  const bars = memoryBars(memory, new Map(keys.map((key, index) => [key, index])));
  const lost = memory.lost_gpus.map(
    ({ gpu, name, reason }) =>
      html`<p role="alert" class="fault">GPU ${gpu} ${name} is lost: ${reason}.</p>\n`,
  );
  const orphans = memory.orphans.map(
    (orphan) => html`<p role="alert" class="fault">${describeOrphan(orphan)}</p>\n`,
  );
  if (bars.length + lost.length + orphans.length === 0) return '';
  return html`<section data-key="memory"><h2>GPU memory</h2>\n${lost}${orphans}${bars}</section>`;
}

function operationsSection(operations: readonly Operation[], now: number): Html | string {
  const last = lastOf(operations).map((each) => ({ ...each, words: describeOperation(each, now) }));
  if (last.length === 0) return '';
  const running = last.some(({ outcome }) => outcome === null);
  return html`<section data-key="operations"${running ? html` data-running` : ''}>
<h2>Last operations</h2>
${table('Last operations', OPERATION_COLUMNS, last, ({ id }) => id)}</section>
`;
}

const OPERATION_COLUMNS: readonly Column<Operation & { words: OperationWords }>[] = [
  {
    label: 'When',
    cell: ({ started_at, words }) => html`<time datetime="${started_at}">${words.when}</time>`,
  },
  { label: 'Requested by', cell: ({ words }) => words.askedBy },
  {
    label: 'Outcome',
    cell: ({ outcome, words }) => html`<span class="badge ${outcome ?? 'loading'}">${words.outcome}</span>`,
  },
  { label: 'Models', cell: ({ words }) => words.models },
  { label: 'Note', cell: ({ words }) => words.note },
];

/** Filled by script.js, with the same words for results as the command line. */
const DIALOG = html`<dialog id="ask" aria-labelledby="ask-title" data-words="${JSON.stringify({ ...RESULT_WORDS, pending: PENDING_WORD })}">
<form method="dialog">
<h2 id="ask-title"></h2>
<p id="ask-problem" class="fault" role="alert" hidden></p>
<div id="ask-token" hidden>
<label for="token">Token</label>
<input id="token" type="password" autocomplete="off" spellcheck="false" aria-describedby="token-hint">
<p id="token-hint">One of <code>auth.tokens</code>. This tab keeps it until you close the tab or forget the token.</p>
</div>
<p id="ask-status" role="status"></p>
<ul id="ask-models"></ul>
<fieldset id="ask-busy" hidden>
<legend>Busy models</legend>
<label><input type="radio" name="when-busy" value="wait" checked> Wait until they are idle</label>
<label><input type="radio" name="when-busy" value="skip"> Skip them</label>
<label><input type="radio" name="when-busy" value="force"> Unload them now and interrupt their requests</label>
</fieldset>
<p id="ask-hold" hidden><label for="hold">After unloading</label>
<select id="hold">
<option value="0">allow loading models again</option>
<option value="1800">keep the memory free for 30 minutes</option>
<option value="7200">keep the memory free for 2 hours</option>
<option value="28800">keep the memory free for 8 hours</option>
</select></p>
<p class="buttons"><button type="button" id="ask-close">Cancel</button> <button type="submit" id="ask-confirm"></button></p>
</form>
</dialog>`;
