import { setTimeout as sleep } from 'node:timers/promises';
import { ask, jsonOf, posted, until } from './ask.mjs';

/** What a router answers to an order that has nothing to do any more. */
const TOO_LATE = /is (already|not) running/;

/** The real router that the environment names; undefined without one. */
export const givenRouter = () => process.env.LLAMA_SERVER_URL?.replace(/\/$/, '') || undefined;

/** The real router that the environment must name. */
export function realRouter() {
  const url = givenRouter();
  if (!url) throw new Error('LLAMA_SERVER_URL is missing: the address of a real router, see --help');
  return url;
}

/**
 * The models of a router.
 * @param {string} url
 * @returns {Promise<{ id: string, status: { value: string } }[]>}
 */
export async function listed(url) {
  return (await jsonOf(`${url}/models`)).data;
}

/**
 * The first models of a router, as many as wanted, with this text in their name.
 * @param {string} url
 * @param {number} count
 * @param {string} match
 */
export async function firstModels(url, count, match = '') {
  const named = (await listed(url)).map(({ id }) => id).filter((id) => id.includes(match));
  if (named.length >= count) return named.slice(0, count);
  throw new Error(`${url} has ${named.length} models with '${match}' in their name, ${count} are needed`);
}

/**
 * Orders a load or unload, which may be done already.
 * @param {string} url
 * @param {'load' | 'unload'} what
 * @param {string} model
 */
export async function order(url, what, model) {
  const answer = await fetch(`${url}/models/${what}`, posted({ model }));
  const text = await answer.text();
  if (!answer.ok && !TOO_LATE.test(text))
    throw new Error(`${url} does not ${what} ${model}: ${answer.status} ${text}`);
}

/** Loads idle models, and resolves when they can be unloaded again. @param {string} url @param {readonly string[]} models */
export async function loadAll(url, models) {
  for (const model of models) await order(url, 'load', model);
  await untilAll(url, models, 'loaded');
  // A process that has just become ready may miss an order to exit.
  await sleep(500);
}

/** @param {string} url @param {readonly string[]} models @param {string} status */
export async function untilAll(url, models, status) {
  const isReached = async () => {
    const statuses = new Map((await listed(url)).map(({ id, status: { value } }) => [id, value]));
    return models.every((model) => statuses.get(model) === status);
  };
  await until(`${models.join(', ')} to be ${status}`, isReached);
}

/**
 * Has a model answer a request that costs nothing; it is loaded for it.
 * @param {string} url
 * @param {string} model
 */
export async function tokenize(url, model) {
  const request = posted({ model, content: 'a' });
  // The router closes the connection after such an answer but does not say so.
  const headers = { ...request.headers, connection: 'close' };
  await (await ask(`${url}/tokenize`, { ...request, headers })).text();
}
