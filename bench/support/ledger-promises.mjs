/**
 * Compares the exporter's counters with a ledger.
 *
 * @typedef {import('./router-ledger.mjs').Tally} Tally
 * @typedef {Record<string, number>} Counts by `counter` or `counter reason`, as in a ledger
 * @typedef {{ counter: string, happened: number, vague: number, missable: number, counted: number, broken: string[] }} Compared
 */

/** Metrics by their name in the ledger; `reason` is the label of the reason. */
const METRICS = {
  loads: { name: 'model_loads_total' },
  load_failures: { name: 'model_load_failures_total' },
  sleeps: { name: 'model_sleeps_total' },
  wakes: { name: 'model_wakes_total' },
  forced_stops: { name: 'model_forced_stops_total' },
  unloads: { name: 'model_unloads_total', reason: 'reason' },
  reloads: { name: 'model_reloads_after_unload_total', reason: 'unload_reason' },
};

/** @type {Map<string, [string, string | undefined]>} */
const COUNTER_BY_METRIC = new Map(
  Object.entries(METRICS).map(([counter, { name, ...labels }]) => [
    `llama_router_${name}`,
    [counter, 'reason' in labels ? labels.reason : undefined],
  ]),
);

/**
 * What a scrape says of each model, by router and model; all models of the ledger have plain names.
 * @param {string} scrape
 */
export function countsIn(scrape) {
  const models = /** @type {Map<string, { counts: Counts, status: string }>} */ (new Map());
  for (const [, metric = '', written = '', value] of scrape.matchAll(/^(\w+)\{(.*)\} (\S+)$/gm)) {
    const isStatus = metric === 'llama_router_model_status';
    const [counter, reason] = COUNTER_BY_METRIC.get(metric) ?? [];
    if (!counter && !isStatus) continue;
    const labels = Object.fromEntries([...written.matchAll(/(\w+)="([^"]*)"/g)].map(([, ...pair]) => pair));
    const key = `${labels.router} ${labels.model}`;
    const model = models.get(key) ?? { counts: {}, status: '' };
    models.set(key, model);
    if (isStatus && value === '1') model.status = labels.status;
    if (!counter) continue;
    const name = reason ? `${counter} ${labels[reason]}` : counter;
    model.counts[name] = (model.counts[name] ?? 0) + Number(value);
  }
  return models;
}

/**
 * Whether the counters of one model keep the promises: everything seen is counted, once and with its reason; of what could
 * be missed, no more is counted than happened; no reason is `unknown` for what was seen.
 * @param {Tally} tally
 * @param {Counts} counted
 * @returns {string[]} what is broken
 */
export function brokenPromises({ seen, vague, missable }, counted) {
  const sum = (/** @type {Counts} */ counts, /** @type {string} */ prefix) =>
    Object.entries(counts).reduce(
      (all, [name, count]) => all + (name.split(' ')[0] === prefix ? count : 0),
      0,
    );
  const broken = [];
  for (const counter of Object.keys(METRICS)) {
    const least = sum(seen, counter) + sum(vague, counter);
    const most = least + sum(missable, counter) + slackOf(counter);
    const count = sum(counted, counter);
    if (count < least || count > most)
      broken.push(`${counter}: ${count} counted, ${rangeOf(least, most)} happened`);
  }
  for (const [name, count] of Object.entries(counted)) {
    const [counter = '', reason] = name.split(' ');
    if (!reason) continue;
    const least = seen[name] ?? 0;
    const others = sum(missable, counter) + (reason === 'unknown' ? 0 : sum(vague, counter));
    if (count < least || count > least + others)
      broken.push(`${name}: ${count} counted, ${rangeOf(least, least + others)} happened`);
  }
  return broken;

  /** A crash that nothing tells from another end. @param {string} counter */
  function slackOf(counter) {
    if (counter === 'load_failures') return missable['unloads crashed'] ?? 0;
    if (counter === 'forced_stops')
      return (vague['unloads crashed'] ?? 0) + (missable['unloads crashed'] ?? 0);
    return 0;
  }
}

/** @param {number} least @param {number} most */
function rangeOf(least, most) {
  return least === most ? String(least) : `${least} to ${most}`;
}
