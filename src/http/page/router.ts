import { describeEnd, describePurpose, type Hold, lastToEnd, onWall } from '../../hold/hold.ts';
import type { EndedHold } from '../../hold/holds.ts';
import { formatBytes } from '../../lib/bytes.ts';
import type { Clock } from '../../lib/clock.ts';
import { formatDuration } from '../../lib/duration.ts';
import { isRunning, type Status } from '../../models/feed.ts';
import type { ModelState, RouterState } from '../../models/router-state.ts';
import type { MemoryView } from '../view-schemas.ts';
import { viewRouter } from '../views.ts';
import {
  ago,
  describeActivity,
  describeFailure,
  describeStatus,
  factsOf,
  type HeldMemory,
  inOrder,
  measuresOf,
  NOT_KNOWN,
  spanSince,
} from '../words.ts';
import { type Column, type Html, html, table } from './html.ts';
import { keyOf } from './memory.ts';

export interface RouterParts {
  router: RouterState;
  /** The standing ones. */
  holds: readonly Hold[];
  failedHolds: readonly EndedHold[];
  memory: MemoryView;
  clock: Clock;
}

/** The rest is only in the API. */
const MAX_ROWS = 500;
/** A failed hold is shown for ten minutes. */
const FAILED_SHOWN_MS = 600_000;
/** Names of models in one row of the overview. */
const MAX_NAMED = 3;

/** One row for each router, with a link to its page. */
export function overview(routers: readonly RouterParts[]): Html {
  return html`<section data-key="overview"><h2>Routers</h2>
${table('Routers', OVERVIEW, routers.slice(0, MAX_ROWS), ({ router }) => router.name)}
${omitted(routers.length, html`<a href="/api/v1/routers">all routers</a>`)}</section>`;
}

const OVERVIEW: readonly Column<RouterParts>[] = [
  {
    label: 'Router',
    cell: ({ router: { name } }) => html`<a href="/?router=${encodeURIComponent(name)}">${name}</a>`,
  },
  { label: 'State', cell: ({ router }) => stateBadge(router) },
  { label: 'In memory', cell: ({ router }) => inMemory(router) },
  {
    label: 'Hold',
    cell: ({ holds, clock }) => {
      const last = lastToEnd(holds);
      return last ? `until ${describeEnd(onWall(last, clock), clock.wall())}` : '';
    },
  },
  { label: 'Unload all', act: true, cell: ({ router }) => unloadAllButton(router) },
];

function inMemory(router: RouterState): Html {
  const running = runningIn(router);
  const named = running
    .slice(0, MAX_NAMED)
    .map((model) => html` <span class="badge ${model.lifecycle.status}">${model.id}</span>`);
  return html`${running.length} of ${router.models.size}${named}${running.length > MAX_NAMED ? ' …' : ''}`;
}

/** The models in memory. */
export function runningIn({ models }: RouterState): ModelState[] {
  return [...models.values()].filter(({ lifecycle }) => isRunning(lifecycle.status));
}

/** Those of them that are not being unloaded already. */
export function unloadableIn(router: RouterState): ModelState[] {
  return runningIn(router).filter(({ lifecycle }) => lifecycle.status !== 'unloading');
}

/** One router: its state, its holds, and a table of its models. */
export function routerSection({ router, holds, failedHolds, memory, clock }: RouterParts): Html {
  const { name, url, fault, stream, models } = router;
  const held = new Map(
    memory.models.filter((each) => each.router === name).map((each) => [each.model, each]),
  );
  const own = memory.routers.find((each) => each.router === name);
  return html`<section data-key="${name}">
<div class="head"><h2>${name} ${stateBadge(router)}</h2>
${unloadAllButton(router)}</div>
<p>${[url, ...factsOf(viewRouter(router, clock)), ...STREAM_WORDS[stream]].join(' · ')}</p>
${fault ? html`<p role="alert" class="fault">${fault.message}. The table shows the last known state.</p>` : ''}
${ownMemory(own)}
${failedHolds.filter(({ at }) => clock.now() - at < FAILED_SHOWN_MS).map((failed) => failedHoldLine(failed, clock.now()))}
${holds.map((hold) => holdLine(name, onWall(hold, clock), clock.wall()))}
${models.size === 0 ? html`<p>No models are listed.</p>` : modelsTable(router, held, clock)}
</section>
`;
}

/** The memory of the router's own process. */
function ownMemory(own: HeldMemory | undefined): Html | string {
  const measures = measuresOf(own ? [own] : []).map(({ label, of }) => `${label}: ${of(own)}`);
  return measures.length === 0 ? '' : html`<p>The server itself · ${measures.join(' · ')}</p>`;
}

const STREAM_WORDS = {
  connected: ['live events'],
  unsupported: [], // Among the facts.
  connecting: ['event stream disconnected'],
} satisfies Record<RouterState['stream'], string[]>;

function stateBadge({ up }: RouterState): Html {
  const state = up === undefined ? 'unknown' : up ? 'up' : 'down';
  return html`<span class="badge ${state}">${state}</span>`;
}

function unloadAllButton(router: RouterState): Html | string {
  if (!router.up || unloadableIn(router).length === 0) return '';
  return button('unload-all', 'Unload all', `Unload all models of ${router.name}`, router.name);
}

function holdLine(router: string, hold: Hold, now: number): Html {
  const { id, until, routers, holder, reason, state, needBytes, restore, enforce } = hold;
  const end = html`<time datetime="${new Date(until).toISOString()}">${describeEnd(hold, now)}</time>`;
  const amount = needBytes === undefined ? '' : ` (${formatBytes(needBytes)} on one GPU)`;
  const isFree = state !== 'preparing';
  const what = isFree
    ? html`<strong>kept free</strong>`
    : html`<strong>being freed</strong>${amount}, then kept free`;
  const others = routers.filter((each) => each !== router);
  const notes = [
    others.length === 0 ? '' : `It also holds ${others.join(', ')}.`,
    enforce ? 'Models loaded during the hold are unloaded when they are idle.' : '',
    restore ? 'Afterwards the models that it unloaded are loaded again.' : '',
  ].filter((note) => note !== '');
  return html`<p class="hold" data-key="${id}">GPU memory is ${what} until ${end}${describePurpose(hold)}. ${notes.join(' ')} <button type="button" class="act" data-act="release" data-hold="${id}" aria-label="Release the hold of ${holder}${reason && ` for ${reason}`}">Release</button></p>`;
}

function failedHoldLine({ hold, at }: EndedHold, now: number): Html {
  return html`<p class="fault" data-key="${hold.id}">A hold${describePurpose(hold)} failed ${ago(at, now)}: ${hold.why ?? ''}.</p>`;
}

/** Hidden where the script does not run. */
function button(act: string, words: string, label: string, router: string, model?: string): Html {
  const of = model === undefined ? '' : html` data-model="${model}"`;
  return html`<button type="button" class="act" data-act="${act}" data-router="${router}"${of} aria-label="${label}">${words}</button>`;
}

function modelsTable(router: RouterState, memory: ReadonlyMap<string, HeldMemory>, clock: Clock): Html {
  const models = inOrder(router.models.values(), ({ lifecycle }) => lifecycle.status).slice(0, MAX_ROWS);
  const all = html`<a href="/api/v1/models?router=${encodeURIComponent(router.name)}">all models</a>`;
  return html`${table(`Models of ${router.name}`, columnsOf(router, memory, clock), models, ({ id }) => keyOf(router.name, id))}
${omitted(router.models.size, all)}`;
}

function omitted(count: number, all: Html): Html | string {
  return count <= MAX_ROWS ? '' : html`<p>${count - MAX_ROWS} more: see ${all}.</p>`;
}

function columnsOf(
  { name, up, traits }: RouterState,
  memory: ReadonlyMap<string, HeldMemory>,
  clock: Clock,
): Column<ModelState>[] {
  const now = clock.now();
  return [
    { label: 'Model', cell: ({ id }) => id },
    { label: 'Status', cell: statusCell },
    { label: 'For', cell: ({ lifecycle }) => sinceCell(lifecycle.since, clock) },
    {
      label: 'Activity',
      cell: ({ lifecycle, activity }) => phrases(describeActivity(lifecycle.status, now, activity)),
    },
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
        lastUnload
          ? phrases(`${lastUnload.reason}${lastUnload.forced ? ' (killed)' : ''}, ${ago(lastUnload.at, now)}`)
          : '',
    },
    {
      label: 'Unload',
      act: true,
      cell: ({ id, lifecycle }) => (up ? actButton(name, id, lifecycle.status, traits.loads) : ''),
    },
  ];
}

/** To unload a model in memory, or to load another one; none where it would do nothing. */
function actButton(router: string, id: string, status: Status, loads: boolean): Html | string {
  if (status === 'unloading') return '';
  if (isRunning(status)) return button('unload', 'Unload', `Unload ${id}`, router, id);
  return status === 'unloaded' && loads ? button('load', 'Load', `Load ${id}`, router, id) : '';
}

function statusCell({ lifecycle: { status, loading, loadFailed, since } }: ModelState): Html {
  const failure = describeFailure(loadFailed, since === undefined);
  const failed = failure === '' ? '' : html` <span class="badge failed">${failure}</span>`;
  return html`<span class="badge ${status}">${describeStatus(status, loading?.progress)}</span>${failed}`;
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
