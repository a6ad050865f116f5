import type { Clock } from '../lib/clock.ts';
import type { Fault, ListedModel, Listing, ModelFacts, RouterEvent, RouterProps } from './feed.ts';
import { ask, cancelUnloadRequest, see, settle, vanish } from './lifecycle.ts';
import type { Change, Lifecycle, LifecycleRules, Observation } from './lifecycle-state.ts';
import { createPendingReasons } from './pending-reasons.ts';
import type {
  Activity,
  EngineMetricsState,
  ModelState,
  RouterState,
  StreamState,
  Transition,
} from './router-state.ts';
import { isRunning } from './status.ts';

/** Where the news of one router are handed in: turns them into belief and tells what changed. */
export interface RouterEntry {
  readonly state: Readonly<RouterState>;
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
  take(model: string): Lifecycle['lastUnload'];
  keep(model: string, unload: Lifecycle['lastUnload']): void;
}

export function createRouterEntry(
  name: string,
  url: string,
  clock: Clock,
  rules: LifecycleRules,
  changed: (transition?: Transition) => void,
  absent: Absent,
): RouterEntry {
  const models = new Map<string, ModelState>();
  const state: RouterState = {
    name,
    url,
    up: undefined,
    malformed: [],
    stream: 'connecting',
    engineMetrics: 'unknown',
    props: {},
    models,
  };
  const pendingReason = createPendingReasons(clock, decide);

  return {
    state,
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
        const changes = observe(model.id, { ...observationOf(model), evicted }, at, model);
        if (changes.some(isToldByEvents)) corrected += 1;
      }
      const listed = new Set(listing.models.map((model) => model.id));
      for (const [id, model] of models) {
        if (listed.has(id) || newer.has(id)) continue;
        const { lifecycle, changes } = vanish(model.lifecycle, at);
        hold({ ...model, lifecycle });
        models.delete(id);
        absent.keep(id, lifecycle.lastUnload);
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
      if (begins) pendingReason.starts(event.model);
      const full = isFull();
      observe(
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
      const news = state.up !== false || state.fault?.kind !== fault.kind;
      state.up = false;
      state.fault = fault;
      changed(news ? { router: name, at: clock.now(), kind: 'router', change: 'down', fault } : undefined);
    },
    props(props) {
      state.props = props;
      changed();
    },
    stream(stream) {
      if (state.stream === stream) return;
      state.stream = stream;
      changed({ router: name, at: clock.now(), kind: 'stream', state: stream });
    },
    asking(id) {
      const before = models.get(id)?.lifecycle.unloadRequestedAt;
      alter(id, (lifecycle) => ask(lifecycle, clock.now()));
      return () => alter(id, (lifecycle) => cancelUnloadRequest(lifecycle, before));
    },
    engineMetrics(engineMetrics) {
      if (state.engineMetrics === engineMetrics) return;
      state.engineMetrics = engineMetrics;
      changed();
    },
    activity(id, after) {
      const model = models.get(id);
      if (!model || !isRunning(model.lifecycle.known)) return;
      const { activity: before, ...rest } = model;
      const activity = after(before);
      hold({ ...rest, ...(activity && { activity }) });
      changed();
    },
  };

  function reached({ malformed }: Listing, at: number): void {
    const news = state.up !== true;
    state.up = true;
    state.listedAt = at;
    delete state.fault;
    if (malformed.join() !== state.malformed.join()) {
      state.malformed = malformed;
      changed({ router: name, at, kind: 'malformed', entries: malformed });
    }
    if (news) changed({ router: name, at, kind: 'router', change: 'up' });
  }

  function observe(
    id: string,
    observation: Observation,
    at: number,
    known: { aliases?: string[]; facts?: ModelFacts } = {},
  ): Change[] {
    const before = models.get(id);
    const lastUnload = before ? undefined : absent.take(id);
    const { lifecycle, changes } = see(before?.lifecycle, observation, at, rules, lastUnload);
    const { activity, ...rest } = before ?? {};
    const isSameProcess = !changes.some(({ kind }) => kind === 'loaded' || kind === 'unloaded');
    const loadSeconds = loadSecondsOf(changes);
    hold({
      firstSeenAt: at,
      ...rest,
      ...(activity && isSameProcess && { activity }),
      ...(loadSeconds !== undefined && { loadSeconds }),
      id,
      aliases: known.aliases ?? before?.aliases ?? [],
      facts: { ...before?.facts, ...known.facts },
      lifecycle,
    });
    tell(id, at, changes);
    return changes;
  }

  /** Keeps what is believed of a model, less what is over: a download, or the work of a process that ended. */
  function hold({ download, activity, ...model }: ModelState): void {
    pendingReason.note(model.id, model.lifecycle.pendingReason !== undefined);
    const { status, known } = model.lifecycle;
    models.set(model.id, {
      ...model,
      ...(download && status === 'downloading' && { download }),
      ...(activity &&
        isRunning(known) && { activity: status === 'sleeping' ? { ...activity, busy: false } : activity }),
    });
  }

  function alter(id: string, change: (lifecycle: Lifecycle) => Lifecycle): void {
    const model = models.get(id);
    if (model) hold({ ...model, lifecycle: change(model.lifecycle) });
  }

  function tell(model: string, at: number, changes: Change[]): void {
    changed();
    for (const change of changes) changed({ router: name, at, kind: 'model', model, change });
  }

  function isFull(): boolean {
    const places = state.props.modelsMax ?? 0;
    if (places <= 0) return false;
    let taken = 0;
    for (const model of models.values()) if (isRunning(model.lifecycle.known)) taken += 1;
    return taken >= places;
  }

  /** By a listing alone: the router was full, and a model that was not running took a place since. */
  function wereEvicted(listing: Listing, newer: ReadonlySet<string>): boolean {
    return (
      isFull() &&
      listing.models.some(
        (model) =>
          !newer.has(model.id) &&
          isRunning(model.status) &&
          !isRunning(models.get(model.id)?.lifecycle.known),
      )
    );
  }

  function decide(id: string, evicted: boolean): void {
    const model = models.get(id);
    if (model?.lifecycle.pendingReason === undefined) return;
    const { lifecycle, changes } = settle(model.lifecycle, evicted);
    hold({ ...model, lifecycle });
    tell(id, model.lifecycle.pendingReason.at, changes);
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

function observationOf(model: ListedModel): Observation & { via: 'listing' } {
  return {
    via: 'listing',
    status: model.status,
    failed: model.failed,
    ...(model.instance !== undefined && { instance: model.instance }),
  };
}
