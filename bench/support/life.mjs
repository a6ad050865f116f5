import { setTimeout as sleep } from 'node:timers/promises';
import { followExporter, followStatuses } from './events.mjs';
import { order } from './router.mjs';

/**
 * Loads and unloads models of these routers, and measures how long each status change takes from the router's stream to
 * that of the exporter.
 * @param {number} port
 * @param {readonly string[]} urls
 * @param {readonly string[]} models of each router, in turn
 */
export async function startLife(port, urls, models) {
  /** @type {number[]} */
  const times = [];
  /** Changes that only one side has reported so far, with when. */
  const reported = { router: new Map(), exporter: new Map() };
  /** @param {'router' | 'exporter'} side @param {string} change */
  const seen = (side, change) => {
    const other = reported[side === 'router' ? 'exporter' : 'router'];
    const earlier = other.get(change);
    if (earlier === undefined) return void reported[side].set(change, performance.now());
    other.delete(change);
    // The exporter may be faster than our own stream.
    times.push(side === 'exporter' ? performance.now() - earlier : 0);
  };
  const last = new Map();
  const streams = await Promise.all(
    urls.map((url) =>
      followStatuses(url, ({ model, data: { status } }) => {
        const subject = `${new URL(url).host} ${model}`;
        // A model that loads reports its progress.
        if (last.get(subject) !== status) seen('router', `${subject} ${status}`);
        last.set(subject, status);
      }),
    ),
  );
  const exporter = await followExporter(port, ({ router, model, to }) =>
    seen('exporter', `${router} ${model} ${to}`),
  );
  let over = false;
  const living = (async () => {
    for (let turn = 0; !over; turn += 1) {
      const url = urls[turn % urls.length] ?? '';
      const model = models[Math.floor(turn / urls.length / 2) % models.length] ?? '';
      await order(url, Math.floor(turn / urls.length) % 2 === 0 ? 'load' : 'unload', model);
      await sleep(500);
    }
  })();
  return {
    /** The times in milliseconds, and how many changes the exporter has not reported. */
    async stop() {
      over = true;
      await living;
      await sleep(2000);
      for (const stream of [...streams, exporter]) stream.destroy();
      return { times, missed: reported.router.size };
    },
  };
}
