import { describeEnd, type Hold, onWall } from '../../hold/hold.ts';
import { formatBytes } from '../../lib/bytes.ts';
import type { Clock } from '../../lib/clock.ts';
import { formatDuration } from '../../lib/duration.ts';
import type { MemoryReading, ModelMemory } from '../../memory/reading.ts';
import type { ModelState, RouterState } from '../../models/router-state.ts';
import { isRunning } from '../../models/status.ts';
import { viewRouter } from '../views.ts';
import {
  ago,
  describeActivity,
  describeStatus,
  factsOf,
  inOrder,
  LAST_LOAD_FAILED,
  measuresOf,
  NOT_KNOWN,
  spanSince,
} from '../words.ts';
import { type Html, html } from './html.ts';
import { keyOf } from './memory.ts';

export interface RouterParts {
  router: RouterState;
  hold: Hold | undefined;
  reading: MemoryReading | undefined;
  clock: Clock;
}

/** The rest is only in the API. */
const MAX_ROWS = 500;
/** Names of models in one row of the overview. */
const MAX_NAMED = 3;

/** One row for each router, with a link to its page. */
export function overview(routers: readonly RouterParts[]): Html {
  return html`<section data-key="overview"><h2>Routers</h2>
<table role="table" aria-label="Routers">
<thead role="rowgroup"><tr role="row">${['Router', 'State', 'In memory', 'Hold'].map((label) => html`<th scope="col" role="columnheader">${label}</th>`)}<th scope="col" role="columnheader" class="act"><span class="unseen">Unload all</span></th></tr></thead>
<tbody role="rowgroup">
${routers.slice(0, MAX_ROWS).map(overviewRow)}</tbody>
</table>
${omitted(routers.length, html`<a href="/api/v1/routers">all routers</a>`)}</section>`;
}

function overviewRow({ router, hold, clock }: RouterParts): Html {
  const { name, models } = router;
  const running = [...models.values()].filter(({ lifecycle }) => isRunning(lifecycle.status));
  const named = running
    .slice(0, MAX_NAMED)
    .map((model) => html` <span class="badge ${model.lifecycle.status}">${model.id}</span>`);
  const end = hold ? `until ${describeEnd(onWall(hold, clock), clock.wall())}` : '';
  return html`<tr role="row" data-key="${name}">
<th scope="row" role="rowheader"><a href="/?router=${encodeURIComponent(name)}">${name}</a></th>
<td role="cell" data-label="State">${stateBadge(router)}</td>
<td role="cell" data-label="In memory">${running.length} of ${models.size}${named}${running.length > MAX_NAMED ? ' …' : ''}</td>
<td role="cell" data-label="Hold">${end}</td>
<td role="cell" class="act">${unloadAllButton(router, running.length)}</td>
</tr>
`;
}

/** One router: its state, its hold, and a table of its models. */
export function routerSection({ router, hold, reading, clock }: RouterParts): Html {
  const { name, url, fault, stream, models } = router;
  const memory = new Map(
    reading?.models.filter((each) => each.router === name).map((each) => [each.model, each]),
  );
  const running = [...models.values()].filter(({ lifecycle }) => isRunning(lifecycle.status)).length;
  return html`<section data-key="${name}">
<div class="head"><h2>${name} ${stateBadge(router)}</h2>
${unloadAllButton(router, running)}</div>
<p>${[url, ...factsOf(viewRouter(router, clock)), STREAM_WORDS[stream]].join(' · ')}</p>
${fault ? html`<p role="alert" class="fault">${fault.message}. The table shows the last known state.</p>` : ''}
${hold ? holdLine(onWall(hold, clock), clock.wall()) : ''}
${models.size === 0 ? html`<p>No models are listed.</p>` : table(router, memory, clock)}
</section>
`;
}

const STREAM_WORDS = {
  connected: 'live events',
  unsupported: 'polling',
  connecting: 'event stream disconnected',
} satisfies Record<RouterState['stream'], string>;

function stateBadge({ up }: RouterState): Html {
  const state = up === undefined ? 'unknown' : up ? 'up' : 'down';
  return html`<span class="badge ${state}">${state}</span>`;
}

function unloadAllButton({ name, up }: RouterState, running: number): Html | string {
  return up && running > 0 ? button('unload-all', 'Unload all', `Unload all models of ${name}`, name) : '';
}

function holdLine(hold: Hold, now: number): Html {
  const { router, until, reason, by, enforce } = hold;
  const end = html`<time datetime="${new Date(until).toISOString()}">${describeEnd(hold, now)}</time>`;
  return html`<p class="hold">GPU memory is <strong>kept free</strong> until ${end}${reason && ` for ${reason}`} (requested by ${by}).${enforce ? ' Models loaded during the hold are unloaded when they are idle.' : ''} ${button('release', 'Release', `Release the hold on ${router}`, router)}</p>`;
}

/** Hidden where the script does not run. */
function button(act: string, words: string, label: string, router: string, model?: string): Html {
  const of = model === undefined ? '' : html` data-model="${model}"`;
  return html`<button type="button" class="act" data-act="${act}" data-router="${router}"${of} aria-label="${label}">${words}</button>`;
}

/** A column and its cell for a model; narrow pages show `label` in front of each cell. */
interface Column {
  label: string;
  cell(model: ModelState): Html | string;
}

function table(router: RouterState, memory: ReadonlyMap<string, ModelMemory>, clock: Clock): Html {
  const models = inOrder(router.models.values(), ({ lifecycle }) => lifecycle.status).slice(0, MAX_ROWS);
  const columns = columnsOf(memory, clock);
  return html`<table role="table" aria-label="Models of ${router.name}">
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Model</th>${columns.map(({ label }) => html`<th scope="col" role="columnheader">${label}</th>`)}<th scope="col" role="columnheader" class="act"><span class="unseen">Unload</span></th></tr></thead>
<tbody role="rowgroup">
${models.map(
  (model) => html`<tr role="row" data-key="${keyOf(router.name, model.id)}">
<th scope="row" role="rowheader">${model.id}</th>
${columns.map(({ label, cell }) => html`<td role="cell" data-label="${label}">${cell(model)}</td>`)}
<td role="cell" class="act">${router.up && isRunning(model.lifecycle.status) ? button('unload', 'Unload', `Unload ${model.id}`, router.name, model.id) : ''}</td>
</tr>
`,
)}</tbody>
</table>
${omitted(router.models.size, html`<a href="/api/v1/models?router=${encodeURIComponent(router.name)}">all models</a>`)}`;
}

function omitted(count: number, all: Html): Html | string {
  return count <= MAX_ROWS ? '' : html`<p>${count - MAX_ROWS} more: see ${all}.</p>`;
}

function columnsOf(memory: ReadonlyMap<string, ModelMemory>, clock: Clock): Column[] {
  return [
    { label: 'Status', cell: statusCell },
    { label: 'For', cell: ({ lifecycle }) => sinceCell(lifecycle.since, clock) },
    { label: 'Activity', cell: (model) => phrases(activityOf(model, clock.now())) },
    ...measuresOf([...memory.values()]).map(({ label, of }) => ({
      label,
      // The reading may be older than the unload.
      cell: ({ id, lifecycle }: ModelState) => (isRunning(lifecycle.status) ? of(memory.get(id)) : ''),
    })),
    { label: 'Size', cell: ({ facts }) => sizeCell(facts) },
    {
      label: 'Last load took',
      cell: ({ loadSeconds }) => (loadSeconds === undefined ? '' : formatDuration(loadSeconds)),
    },
    {
      label: 'Last unload',
      cell: ({ lifecycle: { lastUnload } }) =>
        lastUnload ? phrases(`${lastUnload.reason}, ${ago(lastUnload.at, clock.now())}`) : '',
    },
  ];
}

function statusCell(model: ModelState): Html {
  const failed = model.lifecycle.loadFailed
    ? html` <span class="badge failed">${LAST_LOAD_FAILED}</span>`
    : '';
  const { status, loading } = model.lifecycle;
  return html`<span class="badge ${status}">${describeStatus(status, loading?.progress)}</span>${failed}`;
}

function activityOf({ lifecycle: { status }, activity }: ModelState, now: number): string {
  return describeActivity({ status, busy: activity?.busy ?? null, lastAt: activity?.lastAt }, now);
}

function sinceCell(since: number | undefined, clock: Clock): Html | string {
  if (since === undefined) return html`<small>${NOT_KNOWN}</small>`;
  return html`<time datetime="${new Date(clock.wall(since)).toISOString()}">${spanSince(since, clock.now())}</time>`;
}

/** Breaks lines only between phrases. */
function phrases(text: string): Html | string {
  const [first = '', second] = text.split(', ');
  return second === undefined ? first : html`${first}, <span class="whole">${second}</span>`;
}

function sizeCell({ sizeBytes, quantization }: ModelState['facts']): Html | string {
  const size = sizeBytes === undefined ? '' : formatBytes(sizeBytes);
  return quantization ? html`${size} <small>${quantization}</small>` : size;
}
