import type { Clock } from '../lib/clock.ts';
import type {
  Activity,
  EngineMetricsState,
  ModelBelief,
  RouterBelief,
  StreamState,
  Transition,
} from './router-state.ts';
import type { Fault, ListedModel, Listing, ModelFacts, RouterEvent, RouterProps } from './feed.ts';
import type { Change, Life, LifecycleRules, Sighting } from './lifecycle-state.ts';
import { ask, see, settle, vanish, withdraw } from './lifecycle.ts';
import { isRunning } from './status.ts';
import { createUndecided } from './pending-reasons.ts';

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
  /** We are about to ask for this model's unload. The returned function takes it back: the router would not. */
  asking(model: string): () => void;
  engineMetrics(state: EngineMetricsState): void;
  /** What its own metrics say now, after what they said before; undefined: nobody knows. */
  activity(model: string, after: (before: Activity | undefined) => Activity | undefined): void;
}

/** When models that are not there were last unloaded: of an earlier process, and of what vanished. */
interface Absent {
  /** Once a model is there, its own belief remembers: it is taken out. */
  take(model: string): Life['lastUnload'];
  keep(model: string, unload: Life['lastUnload']): void;
}

export function createRouterDesk(
  name: string,
  url: string,
  clock: Clock,
  rules: LifecycleRules,
  changed: (transition?: Transition) => void,
  absent: Absent,
): RouterDesk {
  const models = new Map<string, ModelBelief>();
  const belief: RouterBelief = {
    name,
    url,
    up: undefined,
    malformed: [],
    stream: 'connecting',
    engineMetrics: 'unknown',
    props: {},
    models,
  };
  const undecided = createUndecided(clock, decide);

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
        const changes = sighted(model.id, { ...sightingOf(model), evicted }, at, model);
        if (changes.some(isToldByEvents)) corrected += 1;
      }
      const listed = new Set(listing.models.map((model) => model.id));
      for (const [id, model] of models) {
        if (listed.has(id) || newer.has(id)) continue;
        const { life, changes } = vanish(model.life, at);
        hold({ ...model, life });
        models.delete(id);
        absent.keep(id, life.lastUnload);
        tell(id, at, changes);
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
      if (begins) undecided.starts(event.model);
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
    asking(id) {
      const before = models.get(id)?.life.askedAt;
      alter(id, (life) => ask(life, clock.now()));
      return () => alter(id, (life) => withdraw(life, before));
    },
    engineMetrics(state) {
      if (belief.engineMetrics === state) return;
      belief.engineMetrics = state;
      changed();
    },
    activity(id, after) {
      const model = models.get(id);
      if (!model || !isRunning(model.life.known)) return;
      const { activity: before, ...rest } = model;
      const activity = after(before);
      hold({ ...rest, ...(activity && { activity }) });
      changed();
    },
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
  ): Change[] {
    const before = models.get(id);
    const lastUnload = before ? undefined : absent.take(id);
    const { life, changes } = see(before?.life, sighting, at, rules, lastUnload);
    const { activity, ...rest } = before ?? {};
    const isSameProcess = !changes.some(({ kind }) => kind === 'loaded' || kind === 'unloaded');
    const loadSeconds = loadSecondsOf(changes);
    hold({
      metAt: at,
      ...rest,
      ...(activity && isSameProcess && { activity }),
      ...(loadSeconds !== undefined && { loadSeconds }),
      id,
      aliases: known.aliases ?? before?.aliases ?? [],
      facts: { ...before?.facts, ...known.facts },
      life,
    });
    tell(id, at, changes);
    return changes;
  }

  /** Keeps what is believed of a model, less what is over: a download, or the work of a process that ended. */
  function hold({ download, activity, ...model }: ModelBelief): void {
    undecided.note(model.id, model.life.undecided !== undefined);
    const { status, known } = model.life;
    models.set(model.id, {
      ...model,
      ...(download && status === 'downloading' && { download }),
      ...(activity &&
        isRunning(known) && { activity: status === 'sleeping' ? { ...activity, busy: false } : activity }),
    });
  }

  function alter(id: string, change: (life: Life) => Life): void {
    const model = models.get(id);
    if (model) hold({ ...model, life: change(model.life) });
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

  function decide(id: string, evicted: boolean): void {
    const model = models.get(id);
    if (model?.life.undecided === undefined) return;
    const { life, changes } = settle(model.life, evicted);
    hold({ ...model, life });
    tell(id, model.life.undecided.at, changes);
  }
}

/** Whether the event stream should have told this: it is silent about the list and about downloads. */
function isToldByEvents(change: Change): boolean {
  switch (change.kind) {
    case 'appeared':
    case 'vanished':
      return false;
    case 'status':
      return isRunning(change.from) || isRunning(change.to);
    default:
      return true;
  }
}

function loadSecondsOf(changes: readonly Change[]): number | undefined {
  return changes.find((change) => change.kind === 'loaded')?.durationSeconds;
}

function sightingOf(model: ListedModel): Sighting & { via: 'listing' } {
  return {
    via: 'listing',
    status: model.status,
    failed: model.failed,
    ...(model.instance !== undefined && { instance: model.instance }),
  };
}
