import { setTimeout as sleep } from 'node:timers/promises';

/** Seconds between two of the orders of a minute. */
const PAUSE_S = 10;

/**
 * Gives the exporter orders, all of them once a minute, as long as the time lasts; counts those that were not answered
 * as they should be.
 * @param {string} base URL of the exporter
 * @param {readonly string[]} routers
 * @param {readonly string[]} models of each router
 */
export function startOperator(base, routers, models) {
  const counts = { answered: 0, failed: 0, why: '' };
  let over = false;
  let standing = '';
  const working = work();
  return {
    counts,
    /** Ends the hold that stands. */
    async stop() {
      over = true;
      if (standing) await order('DELETE', `/api/v1/holds/${standing}`, undefined, 200);
      return Promise.race([working, sleep(PAUSE_S * 1000 + 5000)]);
    },
  };

  async function work() {
    for (let minute = 0; !over; minute += 1) {
      const router = routers[minute % routers.length];
      const model = models[minute % models.length];
      for (const next of [
        () => placeHold(router),
        () => extendHold(),
        () => releaseHold(),
        () => order('POST', '/api/v1/unload-all', { reason: 'endurance' }, 200, 202),
        () => order('POST', '/api/v1/load', { routers: [router], models: [model] }, 200, 202),
        () => order('POST', '/-/reload', undefined, 200),
      ]) {
        await sleep(PAUSE_S * 1000);
        if (over) return;
        await next();
      }
    }
  }

  /** @param {string | undefined} router */
  async function placeHold(router) {
    const terms = { routers: [router], ttl_seconds: 60, unload: 'all', restore: true, reason: 'endurance' };
    const hold = await order('POST', '/api/v1/holds', terms, 201);
    standing = hold.id ?? '';
  }

  async function extendHold() {
    // Without one, placing it failed, as while its router restarts.
    if (standing) await order('PATCH', `/api/v1/holds/${standing}`, { ttl_seconds: 120 }, 200);
  }

  async function releaseHold() {
    if (!standing) return;
    const id = standing;
    standing = '';
    await order('DELETE', `/api/v1/holds/${id}`, undefined, 200);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object | undefined} body
   * @param {number[]} wanted statuses
   */
  async function order(method, path, body, ...wanted) {
    const headers = { ...(body && { 'content-type': 'application/json' }) };
    const request = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    try {
      const answer = await fetch(`${base}${path}`, { ...request, signal: AbortSignal.timeout(30_000) });
      const text = await answer.text();
      // A router that restarts fails an order, and the exporter says so.
      const isOutcome = answer.status === 502 && /"(outcome|state)":"failed"/.test(text);
      if (!isOutcome && !wanted.includes(answer.status))
        fail(`${method} ${path}: status ${answer.status}: ${text}`);
      else counts.answered += 1;
      return answer.ok && text.startsWith('{') ? JSON.parse(text) : {};
    } catch (error) {
      fail(`${method} ${path}: ${error}`);
      return {};
    }
  }

  /** @param {string} why */
  function fail(why) {
    counts.failed += 1;
    counts.why ||= why;
  }
}
