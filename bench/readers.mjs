// Open pages in a process of their own. Each does what src/http/page/script.js does in a browser, for a while; then it is
// closed and another one is opened.
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeTask } from './support/task.mjs';

/** As in script.js. */
const SOON_MS = 300;
const REFRESH_MS = 5000;
const BUSY_REFRESH_MS = 1000;
const RECONNECT_MS = 10_000;
const MAX_LAG_MS = 200;
/** What script.js looks for in a page to tell whether something happens on it. */
const BUSY = ['badge loading"', 'badge unloading"', 'badge downloading"', ' data-running'];
/** How browsers continue a stream that broke. */
const RESUME_MS = 3000;
/** A page is open for this long at least, and for twenty times as long at most. */
const SHORTEST_MS = 10_000;
/** The pages have addresses of their own, more than `MAX_STREAMS_OF_ADDRESS` in src/http/routes/events.ts for some. */
const ADDRESSES = 18;

const counts = { answered: 0, streams: 0, refused: 0, failed: 0, why: '' };

takeTask((/** @type {{ port: number, routers: readonly string[], pages: number }} */ task) => start(task));

/** @param {{ port: number, routers: readonly string[], pages: number }} task */
function start({ port, routers, pages }) {
  let over = false;
  /** @type {Set<() => void>} */
  const open = new Set();
  process.on('message', (message) => {
    if (message === 'counts') return process.send?.(counts);
    over = true;
    for (const close of open) close();
    process.send?.(counts);
  });
  for (let page = 0; page < pages; page += 1) void keepOpening(page);
  process.send?.('ready');

  /** @param {number} number */
  async function keepOpening(number) {
    const localAddress = `127.0.1.${1 + (number % ADDRESSES)}`;
    // They do not come all at once.
    await sleep(Math.random() * SHORTEST_MS);
    while (!over) {
      const router = routers[Math.floor(Math.random() * routers.length * 2)];
      const path = router === undefined ? '/' : `/?router=${encodeURIComponent(router)}`;
      const close = openPage({ host: '127.0.0.1', port, localAddress }, path);
      open.add(close);
      await sleep(SHORTEST_MS * 20 ** Math.random());
      close();
      open.delete(close);
    }
  }
}

/** @typedef {{ host: string, port: number, localAddress: string }} Place */

/**
 * @param {Place} place
 * @param {string} path
 */
function openPage(place, path) {
  const lag = Math.random() * MAX_LAG_MS;
  const agent = new Agent({ keepAlive: true, maxSockets: 6 });
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  /** @type {NodeJS.Timeout | undefined} */
  let soon;
  /** @type {import('node:http').ClientRequest | undefined} */
  let stream;
  let [closed, fetching, changed, busy, etag] = [false, false, false, false, ''];
  /** When the first event since the last request for the page arrived. */
  let changedAt = Number.POSITIVE_INFINITY;
  fetchPart(path);
  fetchPart('/style.css');
  fetchPart('/page.js');
  follow();
  refresh();
  return () => {
    closed = true;
    clearTimeout(timer);
    clearTimeout(soon);
    stream?.destroy();
    agent.destroy();
  };

  /** @param {string} part */
  function fetchPart(part) {
    request(part, {}, (response) => {
      tally(part, response.statusCode, 200);
      response.resume();
    });
  }

  function refresh() {
    clearTimeout(timer);
    if (fetching) {
      changed = true;
      return;
    }
    fetching = true;
    changed = false;
    changedAt = Number.POSITIVE_INFINITY;
    request(path, { 'If-None-Match': etag }, (response) => {
      const isSame = response.statusCode === 304;
      tally(path, response.statusCode, isSame ? 304 : 200);
      etag = response.headers.etag ?? '';
      /** @type {Buffer[]} */
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const page = Buffer.concat(chunks);
        if (!isSame) busy = BUSY.some((text) => page.includes(text));
        fetching = false;
        later(changed ? SOON_MS : busy ? BUSY_REFRESH_MS : REFRESH_MS);
      });
    });
  }

  /** @param {number} ms */
  function later(ms) {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(refresh, ms + lag);
  }

  function refreshSoon() {
    changed = true;
    const now = performance.now();
    changedAt = Math.min(changedAt, now);
    later(Math.min(SOON_MS, changedAt + BUSY_REFRESH_MS - now));
  }

  function follow() {
    if (closed) return;
    stream = request('/api/v1/events', { Accept: 'text/event-stream' }, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        if (response.statusCode === 429 || response.statusCode === 503) counts.refused += 1;
        else tally('/api/v1/events', response.statusCode, 200);
        soon = setTimeout(follow, RECONNECT_MS);
        return;
      }
      counts.streams += 1;
      response.on('data', (chunk) => chunk.includes('data:') && refreshSoon());
      response.on('close', () => {
        if (!closed) soon = setTimeout(follow, RESUME_MS);
      });
    });
  }

  /**
   * @param {string} part
   * @param {Record<string, string>} headers
   * @param {(response: import('node:http').IncomingMessage) => void} answered
   */
  function request(part, headers, answered) {
    const options = { ...place, path: part, headers, agent };
    return get(options, (response) => {
      response.on('error', () => {});
      answered(response);
    }).on('error', (error) => {
      if (!closed) fail(`${part}: ${error.message}`);
    });
  }
}

/** @param {string} part @param {number | undefined} status @param {number} wanted */
function tally(part, status, wanted) {
  if (status === wanted) counts.answered += 1;
  else fail(`${part}: status ${status}`);
}

/** @param {string} why */
function fail(why) {
  counts.failed += 1;
  counts.why ||= why;
}
