import type { Clock } from '../lib/clock.ts';
import type { ModelBelief, RouterBelief, StreamState, Transition } from './belief.ts';
import type { Fault, ListedModel, Listing, ModelFacts, RouterEvent, RouterProps } from './feed.ts';
import type { Change, Life, LifecycleRules, Sighting } from './life.ts';
import { ask, see, settle, vanish, withdraw } from './lifecycle.ts';
import { isRunning } from './status.ts';

/**
 * How long an unload on a full router waits for the load that explains it: between the two events the real
 * router starts a process, which took at most 17 ms in 200 evictions on b11669, with both cores loaded.
 */
const EVICTION_WINDOW_MS = 250;

/** Where the news of one router are handed in: turns them into belief and tells what changed. */
export interface RouterDesk {
  readonly belief: Readonly<RouterBelief>;
  /**
   * A full listing, which wins over events, except for the models in `newer`: they had an event since the
   * listing was asked for, so the listing may be the older of the two. Answers how many models it showed in
   * another status than believed.
   */
  listed(listing: Listing, newer?: ReadonlySet<string>): { corrected: number };
  event(event: RouterEvent): void;
  /** A listing could not be had. */
  failed(fault: Fault): void;
  props(props: RouterProps): void;
  stream(state: StreamState): void;
  /** We are about to ask for this model's unload; `refused` when the router would not. */
  asking(model: string): void;
  refused(model: string): void;
}

export function createRouterDesk(
  name: string,
  url: string,
  clock: Clock,
  rules: LifecycleRules,
  changed: (transition?: Transition) => void,
  recall: (model: string) => Life['lastUnload'],
): RouterDesk {
  const models = new Map<string, ModelBelief>();
  const belief: RouterBelief = {
    name,
    url,
    up: undefined,
    malformed: [],
    stream: 'connecting',
    props: {},
    models,
  };
  /** Models whose unload waits for its reason, oldest first. */
  const undecided: string[] = [];

  return {
    belief,
    listed(listing, newer = new Set()) {
      const at = clock.now();
      reached(listing, at);
      const evicted = wereEvicted(listing, newer);
      let corrected = 0;
      for (const model of listing.models) {
        const before = models.get(model.id);
        if (before && newer.has(model.id)) {
          hold({ ...before, aliases: model.aliases, facts: { ...before.facts, ...model.facts } });
          continue;
        }
        if (before && before.life.status !== model.status) corrected += 1;
        sighted(model.id, { ...sightingOf(model), evicted }, at, model);
      }
      const listed = new Set(listing.models.map((model) => model.id));
      for (const [id, model] of models) {
        if (listed.has(id) || newer.has(id)) continue;
        models.delete(id);
        tell(id, at, vanish(model.life, at));
      }
      changed();
      return { corrected };
    },
    event(event) {
      const at = clock.now();
      if (event.kind === 'download') {
        const model = models.get(event.model);
        if (model) hold({ ...model, download: { doneBytes: event.doneBytes, totalBytes: event.totalBytes } });
        changed();
      }
      if (event.kind !== 'status') return;
      const { status, begins, exitCode, progress } = event;
      if (begins) makesRoomFor(event.model);
      const full = isFull();
      sighted(
        event.model,
        {
          via: 'event',
          status,
          begins,
          full,
          ...(exitCode !== undefined && { exitCode }),
          ...(progress !== undefined && { progress }),
        },
        at,
        event.facts && { facts: event.facts },
      );
      if (models.get(event.model)?.life.undecided) postpone(event.model);
    },
    failed(fault) {
      const news = belief.up !== false || belief.fault?.kind !== fault.kind;
      belief.up = false;
      belief.fault = fault;
      changed(news ? { router: name, at: clock.now(), kind: 'router', change: 'down', fault } : undefined);
    },
    props(props) {
      belief.props = props;
      changed();
    },
    stream(state) {
      if (belief.stream === state) return;
      belief.stream = state;
      changed({ router: name, at: clock.now(), kind: 'stream', state });
    },
    asking: (id) => alter(id, (life) => ask(life, clock.now())),
    refused: (id) => alter(id, withdraw),
  };

  function reached({ malformed }: Listing, at: number): void {
    const news = belief.up !== true;
    belief.up = true;
    belief.listedAt = at;
    delete belief.fault;
    if (malformed.join() !== belief.malformed.join()) {
      belief.malformed = malformed;
      changed({ router: name, at, kind: 'malformed', entries: malformed });
    }
    if (news) changed({ router: name, at, kind: 'router', change: 'up' });
  }

  function sighted(
    id: string,
    sighting: Sighting,
    at: number,
    known: { aliases?: string[]; facts?: ModelFacts } = {},
  ): void {
    const before = models.get(id);
    const { life, changes } = see(before?.life, sighting, at, rules);
    const unloadedBefore = before || isRunning(life.known) ? undefined : recall(id);
    hold({
      ...before,
      id,
      aliases: known.aliases ?? before?.aliases ?? [],
      facts: { ...before?.facts, ...known.facts },
      life: unloadedBefore
        ? { ...life, lastUnload: { at: unloadedBefore.at, reason: unloadedBefore.reason } }
        : life,
    });
    tell(id, at, changes);
  }

  /** Keeps what is believed of a model; a download's progress is of no interest once it is over. */
  function hold(model: ModelBelief): void {
    if (model.download && model.life.status !== 'downloading') {
      const { download: _, ...rest } = model;
      models.set(model.id, rest);
    } else {
      models.set(model.id, model);
    }
  }

  function alter(id: string, change: (life: Life) => Life): void {
    const model = models.get(id);
    if (model) models.set(id, { ...model, life: change(model.life) });
  }

  function tell(model: string, at: number, changes: Change[]): void {
    changed();
    for (const change of changes) changed({ router: name, at, kind: 'model', model, change });
  }

  function isFull(): boolean {
    const places = belief.props.modelsMax ?? 0;
    if (places <= 0) return false;
    let taken = 0;
    for (const model of models.values()) if (isRunning(model.life.known)) taken += 1;
    return taken >= places;
  }

  /** By a listing alone: the router was full, and a model that was not running took a place since. */
  function wereEvicted(listing: Listing, newer: ReadonlySet<string>): boolean {
    return (
      isFull() &&
      listing.models.some(
        (model) =>
          !newer.has(model.id) && isRunning(model.status) && !isRunning(models.get(model.id)?.life.known),
      )
    );
  }

  function postpone(id: string): void {
    undecided.push(id);
    clock.after(EVICTION_WINDOW_MS, () => resolve(id, false));
  }

  /** A model starts: the unload that has waited longest for its reason made room for it. */
  function makesRoomFor(starting: string): void {
    const own = undecided.indexOf(starting);
    if (own >= 0) undecided.splice(own, 1); // It comes back itself: nobody took its place.
    const [victim] = undecided;
    if (victim !== undefined) resolve(victim, true);
  }

  function resolve(id: string, evicted: boolean): void {
    const index = undecided.indexOf(id);
    if (index < 0) return;
    undecided.splice(index, 1);
    const model = models.get(id);
    const at = model?.life.undecided?.at;
    if (!model || at === undefined) return;
    const { life, changes } = settle(model.life, evicted);
    models.set(id, { ...model, life });
    tell(id, at, changes);
  }
}

function sightingOf(model: ListedModel): Sighting & { via: 'listing' } {
  return {
    via: 'listing',
    status: model.status,
    failed: model.failed,
    ...(model.instance !== undefined && { instance: model.instance }),
  };
}
