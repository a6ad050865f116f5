import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './ask.mjs';
import { followStatuses } from './events.mjs';
import { bodyOf } from './keep-alive-client.mjs';
import { order } from './router.mjs';

/** A status that has not shown by then never will. */
const GIVE_UP_MS = 5000;
/** A large model takes long to load; after so long without a change, the router changes nothing. */
const STUCK_MS = 300_000;

/** @typedef {Awaited<ReturnType<typeof import('./keep-alive-client.mjs').openClient>>} Client */
/** @typedef {{ url: string, model: string, client: Client, transitions: number, pause: number }} Course */
/** @typedef {{ model: string, status: string, at: number, shown: (milliseconds: number) => void }} Expected */

/**
 * Loads and unloads a model of a router in turn, and scrapes without pause. Returns the milliseconds from each status
 * change of the router's stream to the end of the first scrape that shows it.
 * @param {Course} course
 */
export async function eventToScrape({ url, model, client, transitions, pause }) {
  /** @type {number[]} */
  const times = [];
  /** @type {Expected | undefined} */
  let awaited;
  let status = 'unloaded';
  let over = false;
  const stream = await followStatuses(url, ({ model: named, data }) => {
    if (named !== model || data.status === status) return;
    status = data.status;
    const at = performance.now();
    // A status that is over before a scrape could show it is no longer waited for.
    awaited = { model, status, at, shown: (milliseconds) => times.push(milliseconds) };
  });
  const scraping = (async () => {
    while (!over) {
      const wanted = awaited;
      const text = bodyOf(await client.get('identity'));
      if (wanted && wanted === awaited && text.includes(statusLine(url, model, wanted.status))) {
        wanted.shown(performance.now() - wanted.at);
        awaited = undefined;
      } else if (wanted && wanted === awaited && performance.now() - wanted.at > GIVE_UP_MS) {
        throw new Error(`${wanted.model} has not shown as ${wanted.status} within ${GIVE_UP_MS} ms`);
      }
      await sleep(1);
    }
  })();
  const asking = (async () => {
    let [shown, since] = [0, performance.now()];
    while (times.length < transitions) {
      if (times.length > shown) [shown, since] = [times.length, performance.now()];
      if (performance.now() - since > STUCK_MS) throw new Error(`${model} stays ${status} on ${url}`);
      await order(url, status === 'unloaded' ? 'load' : 'unload', model);
      await sleep(pause * (0.5 + Math.random()));
    }
    over = true;
  })();
  await Promise.all([scraping, asking]);
  if (status !== 'unloaded') await order(url, 'unload', model);
  stream.destroy();
  return times.slice(0, transitions);
}

/**
 * The line of a scrape that shows this status, of a router that is named after its address.
 * @param {string} url @param {string} model @param {string} status
 */
export function statusLine(url, model, status) {
  return `llama_router_model_status{router="${new URL(url).host}",model="${model}",status="${status}"} 1\n`;
}

/** @param {Client} client @param {string} url @param {string} model */
export async function untilListed(client, url, model) {
  const line = statusLine(url, model, 'unloaded');
  const isThere = async () => bodyOf(await client.get('identity')).includes(line);
  await until(`${model} to show as unloaded`, isThere, { everyMs: 50, withinMs: GIVE_UP_MS });
}
