import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { applyEvent, applyListing, setStream } from '../.build/src/models/observations.js';
import { scrape, seriesIn } from './support/ask.mjs';
import { megabytes, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { listed, startRouterlessService, statusEvent } from './support/routerless-service.mjs';

export const usage = 'churn: the heap while models with ever new names appear, live and vanish.';

export const flags = {
  names: flag(20_000, 'different names'),
  present: flag(50, 'models that are there at once'),
  step: flag(300, "milliseconds of the service's time between two of them"),
  points: flag(10, 'how often the heap is measured'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** What becomes of every model between its appearing and its vanishing. */
const LIFE = /** @type {const} */ (['loading', 'loaded', 'unloaded']);

const ROUTER = 'gpu-box:8080';

/** @param {Flags} given */
export async function run({ names, present, step, points }) {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc');
  // Compressed: what the service remembers for its reload window must go when that time is over.
  let skipped = 0;
  const service = await startRouterlessService(() => Date.now() + skipped);
  const { store } = service.fleet;
  const router = store.add(ROUTER, `http://${ROUTER}`);
  setStream(store, router, 'connected');
  let transitions = 0;
  store.onTransition((transition) => {
    if (transition.kind === 'model') transitions += 1;
  });
  /** @type {string[]} */
  let models = [];
  const rows = [];
  for (let name = 0; name < names; name += 1) {
    models = [...models, `qwen2.5-7b-instruct-q4_k_m-${name}`].slice(-present);
    applyListing(store, router, { models: models.map((id) => listed(id, 'unloaded')), malformed: [] });
    skipped += step;
    for (const status of LIFE) applyEvent(store, router, statusEvent(models.at(-1) ?? '', status));
    if (name % 20 === 0) await scrape(service.port);
    if ((name + 1) % Math.ceil(names / points) > 0) continue;
    const series = seriesIn(await scrape(service.port));
    collectGarbage();
    const { heapUsed, rss } = process.memoryUsage();
    rows.push([name + 1, transitions, series, megabytes(heapUsed), megabytes(rss)]);
  }
  await service.stop();
  console.log(
    `\n${names} models in turn within ${Math.round((names * step) / 60_000)} minutes, ${present} at a time, a scrape every 20 models; the heap after a collection:\n`,
  );
  console.log(table(['models so far', 'transitions so far', 'series', 'heap, MB', 'resident, MB'], rows));
}
