// Simulated routers with a ledger each, in a process of their own: they change as fast as the exporter follows, and fail.
import { setTimeout as sleep } from 'node:timers/promises';
import { notFound, serverError } from '../.build/simulator/answer.js';
import { createRestartableRouter } from '../.build/test/support/simulator/restartable.js';
import { createPace } from './support/pace.mjs';
import { createRouterLedger } from './support/router-ledger.mjs';
import { createStreams } from './support/streams.mjs';
import { takeTask } from './support/task.mjs';

/** @typedef {import('./support/router-ledger.mjs').Saved} Saved */
/** @typedef {import('../.build/simulator/simulated-model.js').SimulatedModel} SimulatedModel */

/**
 * `port` 0 is any. `sight`: see createRouterLedger. A router that is not `steady` fails now and then.
 * @typedef {{ port: number, sight: 'stream' | 'each' | 'some', steady: boolean, saved?: Saved }} Place
 */

const MODELS = ['bge-m3', 'gemma-3-27b', 'llama-3.3-70b', 'qwen3-8b', 'qwen3-coder'];
const MODELS_MAX = 3;
/** Of the transitions. */
const FAULT_SHARE = 1 / 250;

let over = false;

takeTask((/** @type {{ places: Place[] }} */ { places }) => start(places));

/** @param {Place[]} places */
async function start(places) {
  const routers = await Promise.all(places.map(open));
  const urls = routers.map(({ router }) => router.url);
  const total = () => routers.reduce((sum, { ledger }) => sum + ledger.total(), 0);
  /** @type {Promise<unknown>} */
  let driving = Promise.resolve();
  process.on('message', async (/** @type {any} */ message) => {
    switch (message.do) {
      case 'drive':
        driving = driveAll(routers, message);
        return;
      case 'count':
        return process.send?.({ total: total() });
      case 'stop':
        over = true;
        await driving;
        await untilSettled(routers);
        return process.send?.({ total: total() });
      case 'save':
        return process.send?.({ saved: routers.map(save) });
      case 'end':
        for (const { streams, state } of routers) {
          // What happens between here and the end is not seen.
          streams.freeze();
          state.listing = 'lost';
        }
        for (const { ledger } of routers) ledger.restarted();
        process.send?.({ saved: routers.map(save) }, undefined, undefined, () =>
          process.kill(process.pid, 'SIGKILL'),
        );
    }
  });
  process.send?.({ urls });
}

/** @param {Driven} driven */
function save({ ledger, router }) {
  const statuses = router.models.map(({ description, status }) => [description.id, status]);
  return { ledger: ledger.save(), statuses: Object.fromEntries(statuses) };
}

/** @typedef {Awaited<ReturnType<typeof open>>} Driven */

/** @param {Place} place */
async function open({ port, sight, steady, saved }) {
  const ledger = createRouterLedger({ models: MODELS, modelsMax: MODELS_MAX, sight, saved });
  const streams = createStreams(ledger);
  const state = {
    /** What goes wrong with the next listing. */
    listing: /** @type {'late' | 'stale' | 'lost' | undefined} */ (undefined),
    refusesStreams: false,
    listed: new Set(/** @type {(() => void)[]} */ ([])),
  };
  const router = createRestartableRouter(
    {
      models: MODELS.map((id) => ({ id, loadSeconds: 0.005, wakeSeconds: 0.003 })),
      modelsMax: MODELS_MAX,
      sleepIdleSeconds: sight !== 'each' && Math.random() < 0.5 ? 0.05 : -1,
      stopTimeoutSeconds: 0.1,
      exitSeconds: 0.001,
      onChange: (event) => ledger.event(event),
    },
    async ({ method, path, body }, response, answer) => {
      switch (`${method} ${path}`) {
        case 'GET /models/sse':
          if (sight !== 'stream') return notFound;
          if (state.refusesStreams) return serverError('not now');
          return streams.keep(await answer());
        case 'GET /models':
          return list(response, answer);
        case 'POST /models/unload':
          return orderedByExporter(JSON.parse(body).model, answer);
        default:
          return answer();
      }
    },
  );
  await router.listen(port);
  return { router, ledger, streams, state, sight, steady };

  /**
   * @param {import('node:http').ServerResponse} response
   * @param {() => Promise<any>} answer
   */
  async function list(response, answer) {
    const fault = state.listing;
    state.listing = undefined;
    if (fault === 'lost') return undefined;
    const applied = ledger.listing();
    const requested = [...state.listed];
    response.on('finish', () => {
      applied();
      // The listing is applied a moment after its answer.
      for (const each of requested) if (state.listed.delete(each)) setTimeout(each, 150);
    });
    const early = fault === 'stale' ? await answer() : undefined;
    if (fault) await sleep(100 + Math.random() * 900);
    return early ?? answer();
  }

  /** @param {string} id @param {() => Promise<any>} answer */
  async function orderedByExporter(id, answer) {
    ledger.endedBy(id, 'requested');
    const given = await answer();
    if (given.status !== 200) ledger.endedBy(id);
    return given;
  }
}

/**
 * @param {readonly Driven[]} routers
 * @param {{ transitions: number, exporter: string }} drive
 */
async function driveAll(routers, { transitions, exporter }) {
  const total = () => routers.reduce((sum, { ledger }) => sum + ledger.total(), 0);
  const pace = createPace(`${exporter}/-/healthy`, () => over || total() >= transitions);
  await Promise.all(routers.map((router) => drive(router, pace, exporter)));
}

/**
 * @param {Driven} driven
 * @param {ReturnType<typeof createPace>} pace
 * @param {string} exporter
 */
async function drive(driven, pace, exporter) {
  const { sight, steady } = driven;
  if (sight === 'each') await listed(driven);
  while (await pace.turn()) {
    if (!steady && Math.random() < FAULT_SHARE) await fail(driven);
    else await act(driven, exporter);
    if (sight === 'each') await listed(driven);
    else await sleep(Math.random() * 15);
  }
}

/** Resolves when a listing that was requested from now on is applied. @param {Driven} driven */
async function listed({ state, router }) {
  await untilSettled([{ router }]);
  await new Promise((resolve) => state.listed.add(() => resolve(undefined)));
}

/** One thing that happens to a model. @param {Driven} driven @param {string} exporter */
async function act({ router, ledger, sight }, exporter) {
  const model = router.models[Math.floor(Math.random() * MODELS.length)];
  if (!model || model.stopping) return;
  const { id } = model.description;
  const pick = Math.random();
  const isFull = router.models.filter((each) => each.isRunning()).length >= MODELS_MAX;
  switch (model.status) {
    case 'unloaded':
      if (pick < 0.08) model.failsNext = true;
      await router.load(id);
      return;
    case 'loading':
      // Nothing tells such an end from a load that failed.
      if (pick < 0.1 && !model.known && sight !== 'each') end(() => router.unload(id), 'external');
      return;
    case 'loaded':
    case 'sleeping':
      if (pick < 0.02) return unloadByExporter(router, id, exporter, pick < 0.005);
      if (pick < 0.3) end(() => router.crash(id), 'crashed');
      else if (pick < 0.7) end(() => router.unload(id), 'external');
      else if (sight !== 'each') return void router.request(id, { promptTokens: 1, tokens: 1 });
      // Long enough that the next start is no eviction; otherwise it may look like one.
      if (isFull && Math.random() < 0.05) await sleep(2200);
  }

  /** @param {() => void} order @param {'external' | 'crashed'} reason */
  function end(order, reason) {
    ledger.endedBy(id, reason);
    order();
  }
}

/**
 * With `busy`, the model is killed while it generates.
 * @param {Driven['router']} router
 * @param {string} id
 * @param {string} exporter
 * @param {boolean} busy
 */
async function unloadByExporter(router, id, exporter, busy) {
  if (busy) void router.request(id, { promptTokens: 1, tokens: 1000 });
  const body = {
    routers: [new URL(router.url).host],
    models: [id],
    when_busy: 'force',
    timeout_seconds: 3,
    wait: 10,
  };
  const headers = { 'content-type': 'application/json' };
  const request = { method: 'POST', headers, body: JSON.stringify(body) };
  // Faults may make it fail, which the ledger sees.
  await fetch(`${exporter}/api/v1/unload`, request).then((answer) => answer.text());
}

/** One thing that goes wrong. @param {Driven} driven */
async function fail({ router, ledger, streams, state }) {
  const faults = [
    streams.end,
    streams.reset,
    streams.half,
    streams.freeze,
    refuseStreams,
    restart,
    () => failListing('late'),
    () => failListing('stale'),
    () => failListing('lost'),
  ];
  await faults[Math.floor(Math.random() * faults.length)]?.();

  /** @param {'late' | 'stale' | 'lost'} how */
  function failListing(how) {
    state.listing = how;
  }

  async function refuseStreams() {
    state.refusesStreams = true;
    streams.reset();
    setTimeout(() => {
      state.refusesStreams = false;
    }, 1000);
  }

  async function restart() {
    await router.stop();
    ledger.restarted();
    await sleep(Math.random() * 1000);
    await router.start();
  }
}

/** Resolves when no model of these routers loads, stops or generates. @param {readonly Pick<Driven, 'router'>[]} routers */
async function untilSettled(routers) {
  const isUnsettled = (/** @type {SimulatedModel} */ model) =>
    model.status === 'loading' || model.stopping || model.engine.isBusy();
  while (routers.some(({ router }) => router.models.some(isUnsettled))) await sleep(5);
}
