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
  hold: Hold | undefined;
  reading: MemoryReading | undefined;
  clock: Clock;
}

/** One router: its state, its hold, and a table of its models. */
export function routerSection(router: RouterState, { hold, reading, clock }: RouterParts): Html {
  const { name, url, up, fault, stream, models } = router;
  const state = up === undefined ? 'not asked yet' : up ? 'up' : 'down';
  const events =
    stream === 'connected' ? 'live events' : stream === 'unsupported' ? 'polled' : 'no event stream now';
  const memory = new Map(
    reading?.models.filter((each) => each.router === name).map((each) => [each.model, each]),
  );
  const running = [...models.values()].some(({ lifecycle }) => isRunning(lifecycle.status));
  return html`<section data-key="${name}">
<div class="head"><h2>${name} <span class="badge ${state.split(' ')[0] ?? ''}">${state}</span></h2>
${up && running ? button('unload-all', 'Unload all', `Unload all models of ${name}`, name) : ''}</div>
<p>${[url, ...factsOf(viewRouter(router, clock)), events].join(' · ')}</p>
${fault ? html`<p role="alert" class="fault">${fault.message}. What follows is what was last known.</p>` : ''}
${hold ? holdLine(onWall(hold, clock), clock.wall()) : ''}
${models.size === 0 ? html`<p>No models are listed.</p>` : table(router, memory, clock)}
</section>
`;
}

function holdLine(hold: Hold, now: number): Html {
  const { router, until, reason, by, enforce } = hold;
  const end = html`<time datetime="${new Date(until).toISOString()}">${describeEnd(hold, now)}</time>`;
  return html`<p class="hold">GPU memory is <strong>kept free</strong> until ${end}${reason && ` for ${reason}`}, requested by ${by}.${enforce ? ' Idle models that are loaded meanwhile are unloaded again.' : ''} ${button('release', 'Release', `Release the hold on ${router}`, router)}</p>`;
}

/** Hidden where no script could follow it. */
function button(act: string, words: string, label: string, router: string, model?: string): Html {
  const of = model === undefined ? '' : html` data-model="${model}"`;
  return html`<button type="button" class="act" data-act="${act}" data-router="${router}"${of} aria-label="${label}">${words}</button>`;
}

/** A column and its cell of each model; `label` names the cell where the table is too narrow for a head. */
interface Column {
  label: string;
  cell(model: ModelState): Html | string;
}

function table(router: RouterState, memory: ReadonlyMap<string, ModelMemory>, clock: Clock): Html {
  const models = inOrder(router.models.values(), ({ lifecycle }) => lifecycle.status);
  const columns = columnsOf(memory, clock);
  const acts = router.up === true;
  return html`<table role="table" aria-label="Models of ${router.name}">
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Model</th>${columns.map(({ label }) => html`<th scope="col" role="columnheader">${label}</th>`)}<th scope="col" role="columnheader" class="act"><span class="unseen">Unload</span></th></tr></thead>
<tbody role="rowgroup">
${models.map(
  (model) => html`<tr role="row" data-key="${keyOf(router.name, model.id)}">
<th scope="row" role="rowheader">${model.id}</th>
${columns.map(({ label, cell }) => html`<td role="cell" data-label="${label}">${cell(model)}</td>`)}
<td role="cell" class="act">${acts && isRunning(model.lifecycle.status) ? button('unload', 'Unload', `Unload ${model.id}`, router.name, model.id) : ''}</td>
</tr>
`,
)}</tbody>
</table>`;
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

/** Lines are broken between phrases only. */
function phrases(text: string): Html | string {
  const [first = '', second] = text.split(', ');
  return second === undefined ? first : html`${first}, <span class="whole">${second}</span>`;
}

function sizeCell({ sizeBytes, quantization }: ModelState['facts']): Html | string {
  const size = sizeBytes === undefined ? '' : formatBytes(sizeBytes);
  return quantization ? html`${size} <small>${quantization}</small>` : size;
}
