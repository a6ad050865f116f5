// The real service, filled with models until it shows as many series as requested. `kind` says what happens
// after every scrape: nothing (quiet), or one change of one model (lively).
import { subscribe } from 'node:diagnostics_channel';
import { applyEvent, applyListing, setStream } from '../../.build/src/models/observations.js';
import { scrape, seriesIn } from '../support/ask.mjs';
import { listed, startRouterlessService, statusEvent } from '../support/routerless-service.mjs';
import { takeTask } from '../support/task.mjs';

/** Models of one router; a further router is added when it has as many. */
const MODELS_A_ROUTER = 30;

const LIFE = /** @type {const} */ (['loading', 'loaded', 'unloaded']);

takeTask((/** @type {{ series: number, kind: string }} */ task) => start(task));

/** @param {{ series: number, kind: string }} task */
async function start({ series, kind }) {
  const service = await startRouterlessService();
  const { store } = service.fleet;
  /** @type {{ router: string, model: string }[]} */
  const models = [];
  for (let there = seriesIn(await scrape(service.port)); there < series; ) {
    addModel(store, models);
    const before = there;
    there = seriesIn(await scrape(service.port));
    if (there <= before) throw new Error(`one more model has not added a series to ${before}`);
  }

  let turn = 0;
  const afterScrape = {
    quiet: () => {},
    lively: () => changeOne(store, models, turn++),
  };
  // The client comes again only after the answers of all others: there is time for it now.
  const text = await scrape(service.port);
  // As soon as an answer is handed to the system: before the next request can be read.
  subscribe('http.server.response.finish', afterScrape[/** @type {keyof typeof afterScrape} */ (kind)]);
  process.send?.({ port: service.port, series: seriesIn(text), text });
}

/**
 * Every model has been loaded, unloaded and loaded again, so that all series are there from the start.
 * @param {any} store
 * @param {{ router: string, model: string }[]} models
 */
function addModel(store, models) {
  const router = `gpu-box-${Math.floor(models.length / MODELS_A_ROUTER)}:8080`;
  const model = `qwen2.5-7b-instruct-q4_k_m-${models.length}`;
  const state = store.router(router) ?? store.add(router, `http://${router}`);
  models.push({ router, model });
  const ids = models.filter((each) => each.router === router).map((each) => each.model);
  state.props = { modelsMax: 4, autoload: true, build: 'b11669-0123abcd' };
  setStream(store, state, 'connected');
  applyListing(store, state, { models: ids.map((id) => listed(id, 'unloaded')), malformed: [] });
  for (const status of [...LIFE, ...LIFE]) applyEvent(store, state, statusEvent(model, status));
}

/**
 * The models in turn; each goes a step further in its life.
 * @param {any} store
 * @param {{ router: string, model: string }[]} models
 * @param {number} turn
 */
function changeOne(store, models, turn) {
  const { router = '', model = '' } = models[Math.floor(turn / LIFE.length) % models.length] ?? {};
  applyEvent(store, store.router(router), statusEvent(model, LIFE[turn % LIFE.length] ?? 'loading'));
}
