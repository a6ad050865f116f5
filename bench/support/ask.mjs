import { setTimeout as sleep } from 'node:timers/promises';

/** A server that has not answered by then hangs. */
const TIMEOUT_MS = 60_000;

/**
 * The answer to a request; throws if its status is no success.
 * @param {string} url
 * @param {RequestInit} [init]
 */
export async function ask(url, init) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), ...init });
  if (answer.ok) return answer;
  throw new Error(`${init?.method ?? 'GET'} ${url} answers ${answer.status}: ${await answer.text()}`);
}

/** @param {string} url @param {RequestInit} [init] */
export const textOf = async (url, init) => (await ask(url, init)).text();

/** @param {string} url @param {RequestInit} [init] @returns {Promise<any>} */
export const jsonOf = async (url, init) => (await ask(url, init)).json();

/** A POST of JSON. @param {object} body @returns {RequestInit} */
export const posted = (body) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/** The text of a scrape of the exporter on this port. @param {number} port */
export const scrape = (port) => textOf(`http://127.0.0.1:${port}/metrics`);

/** How many series a scrape has. @param {string} text */
export const seriesIn = (text) => text.match(/^[a-z]/gm)?.length ?? 0;

/** Whether the exporter on this port is ready. @param {number} port */
export async function isReady(port) {
  const answer = await fetch(`http://127.0.0.1:${port}/-/ready`);
  await answer.text();
  return answer.ok;
}

/**
 * Resolves to what `condition` returns as soon as that is true; throws after `withinMs`.
 * @template T
 * @param {string} what
 * @param {() => T | Promise<T>} condition
 * @param {{ everyMs?: number, withinMs?: number }} [pace]
 */
export async function until(what, condition, { everyMs = 20, withinMs = TIMEOUT_MS } = {}) {
  for (const end = performance.now() + withinMs; ; await sleep(everyMs)) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`waited ${withinMs / 1000} s for ${what}`);
  }
}
