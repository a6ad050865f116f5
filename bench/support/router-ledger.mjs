/**
 * What happened on one simulated router, counted where it happens: by the events before they are sent, and by what the driver
 * and the exporter ordered. It also knows what the exporter cannot know: the stream was cut, or a start followed an end so
 * closely that it looks like an eviction.
 *
 * @typedef {'loads' | 'load_failures' | 'sleeps' | 'wakes' | 'forced_stops' | 'unloads' | 'reloads'} Counter
 * @typedef {'requested' | 'external' | 'evicted' | 'crashed'} Reason
 *
 * `seen`: the exporter got everything it needs. `vague`: seen, but its reason looks like another one. `missable`: it happened
 * while the exporter could not see it.
 * @typedef {Record<'seen' | 'vague' | 'missable', Record<string, number>>} Tally by `counter` or `counter reason`
 *
 * @typedef {{ at: number, model: LedgerModel, counter: Counter, reason?: Reason, after?: Entry, missable: boolean, vague: boolean }} Entry
 * @typedef {ReturnType<typeof newModel>} LedgerModel
 * @typedef {ReturnType<typeof createRouterLedger>} RouterLedger
 */

/** An event that was sent less than this before its stream broke may not have arrived. */
const LEAD_MS = 2000;

/** A start this soon after an end on a full router may look like an eviction: the exporter's window, and its delay. */
const EVICTION_MS = 2000;

/** So long after its answer a listing has been applied. */
const APPLIED_MS = 500;

function newModel() {
  return {
    process: /** @type {'none' | 'starting' | 'up' | 'waking'} */ ('none'),
    /** Who ends it. Default: the router, for another model. */
    endedBy: /** @type {Reason | undefined} */ (undefined),
    lastUnload: /** @type {Entry | undefined} */ (undefined),
    /** The exporter does not know its state: something happened while it did not see it. */
    stale: false,
    lastEventAt: 0,
    tally: /** @type {Tally} */ ({ seen: {}, vague: {}, missable: {} }),
  };
}

/**
 * `sight`: how the exporter sees the router: by its event stream, by a listing after each change, or by listings that miss
 * changes. `saved` is what an earlier process of the router counted.
 * @param {{ models: readonly string[], modelsMax: number, sight: 'stream' | 'each' | 'some', saved?: Saved | undefined }} given
 */
export function createRouterLedger({ models: ids, modelsMax, sight, saved }) {
  const models = new Map(ids.map((id) => [id, saved?.models.get(id) ?? newModel()]));
  const sent = saved?.sent ?? /** @type {Record<string, number>} */ ({});
  /** Entries that a break may still make missable. @type {Entry[]} */
  const recent = [];
  /** Ends on the full router that a start may turn into evictions. @type {Entry[]} */
  let pending = [];
  let attached = sight === 'stream' && saved === undefined;
  let streams = 0;
  let total = saved?.total ?? 0;
  let losses = saved?.losses ?? 0;
  if (sight !== 'stream' || saved) for (const model of models.values()) model.stale = sight !== 'each';

  return {
    event,
    /** The number of transitions so far. */
    total: () => total,
    /** Says who is about to end a process; undefined: the order was refused. @param {string} id @param {Reason} [by] */
    endedBy(id, by) {
      get(id).endedBy = by;
    },
    streamOpened() {
      attached = true;
      streams += 1;
    },
    streamLost,
    /** A listing was requested; call the returned function when it is answered. */
    listing() {
      const [at, stream] = [performance.now(), streams];
      return () => void setTimeout(() => listed(at, stream), APPLIED_MS);
    },
    /** All processes end without an event. */
    restarted() {
      streamLost();
      for (const model of models.values()) {
        if (model.process === 'up' || model.process === 'waking') unloaded(model, 'external');
        Object.assign(model, { process: 'none', endedBy: undefined });
      }
    },
    /** Of a router that does nothing any more. @returns {Saved} */
    save() {
      book(Number.POSITIVE_INFINITY);
      return { models, sent, total, losses };
    },
  };

  /** @param {string} id */
  function get(id) {
    const model = models.get(id);
    if (!model) throw new Error(`the ledger has no model ${id}`);
    return model;
  }

  /** @param {{ model: string, event: string, data?: Readonly<Record<string, unknown>> }} event */
  function event({ model: id, event: name, data = {} }) {
    const model = get(id);
    if (attached) sent[name] = (sent[name] ?? 0) + 1;
    book(performance.now() - LEAD_MS);
    if (name === 'model_status') start(model);
    else if (data.status === 'loading' && model.process === 'up') model.process = 'waking';
    else if (data.status === 'loaded') loaded(model);
    else if (data.status === 'sleeping') enter(model, 'sleeps');
    else if (data.status === 'unloaded') ended(model, data.exit_code === 1);
    model.lastEventAt = performance.now();
  }

  /** @param {LedgerModel} model */
  function start(model) {
    const since = performance.now() - EVICTION_MS;
    pending = pending.filter(({ at }) => at >= since);
    const own = pending.find((entry) => entry.model === model);
    if (own) own.vague ||= own.reason === 'evicted';
    const others = pending.filter((entry) => entry !== own);
    const areClear = own === undefined && others.every(({ reason }) => reason === 'evicted');
    if (!areClear) for (const entry of others) entry.vague = true;
    pending = areClear ? others.slice(1) : [];
    Object.assign(model, { process: 'starting', endedBy: undefined });
    // A start says all there is to know.
    if (attached) model.stale = false;
  }

  /** @param {LedgerModel} model */
  function loaded(model) {
    if (model.process === 'waking') enter(model, 'wakes');
    if (model.process === 'starting') {
      enter(model, 'loads');
      if (model.lastUnload) enter(model, 'reloads', { after: model.lastUnload });
      model.lastUnload = undefined;
    }
    model.process = 'up';
  }

  /** @param {LedgerModel} model @param {boolean} killed */
  function ended(model, killed) {
    const { process, endedBy = 'evicted' } = model;
    // A router that kills a model for another client reports it like a crash.
    const reason = killed && endedBy === 'external' ? 'crashed' : endedBy;
    const running = [...models.values()].filter((each) => each.process !== 'none').length;
    Object.assign(model, { process: 'none', endedBy: undefined });
    if (process === 'starting' && reason !== 'requested') return enter(model, 'load_failures');
    if (killed && reason === 'requested' && process !== 'starting') enter(model, 'forced_stops');
    const isFull = running === modelsMax;
    const entry = unloaded(model, reason);
    // By listings, a start after each change shows; see `wait` of the driver.
    if (sight === 'each' || reason === 'requested') return;
    entry.vague = (reason === 'evicted' && !isFull) || [...models.values()].some(({ stale }) => stale);
    if (isFull) pending.push(entry);
  }

  /** @param {LedgerModel} model @param {Reason} reason */
  function unloaded(model, reason) {
    model.lastUnload = enter(model, 'unloads', { reason });
    return model.lastUnload;
  }

  /** @param {LedgerModel} model @param {Counter} counter @param {{ reason?: Reason, after?: Entry }} more */
  function enter(model, counter, more = {}) {
    const missable = sight === 'stream' ? !attached || model.stale : sight === 'some';
    const entry = { at: performance.now(), model, counter, ...more, missable, vague: false };
    recent.push(entry);
    if (counter !== 'reloads' && counter !== 'forced_stops') total += 1;
    return entry;
  }

  function streamLost() {
    if (attached) losses += 1;
    attached = false;
    if (sight === 'each') return;
    for (const model of models.values()) model.stale = true;
    for (const entry of recent) entry.missable = true;
  }

  /** @param {number} requestedAt @param {number} stream */
  function listed(requestedAt, stream) {
    if (!attached || stream !== streams) return;
    for (const model of models.values()) if (model.lastEventAt < requestedAt) model.stale = false;
  }

  /** Adds the entries up to this time to the tallies. @param {number} until */
  function book(until) {
    const kept = recent.findIndex(({ at }) => at >= until);
    for (const entry of recent.splice(0, kept < 0 ? recent.length : kept)) {
      const { counter, after, model, missable, vague } = entry;
      const kind = missable || after?.missable ? 'missable' : vague || after?.vague ? 'vague' : 'seen';
      const reason = entry.reason ?? after?.reason;
      const key = reason ? `${counter} ${reason}` : counter;
      model.tally[kind][key] = (model.tally[kind][key] ?? 0) + 1;
    }
  }
}

/** @typedef {{ models: Map<string, LedgerModel>, sent: Record<string, number>, total: number, losses: number }} Saved */
