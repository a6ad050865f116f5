import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, quantile } from '../support/figures.mjs';
import { memoryFinding, TOKENS } from './victim.mjs';

const FACTOR = 20;
const AT_LEAST_MS = 500;
const SCRAPES = 20;
/** More connections from one address to one port would run out of ports. */
const OF_ADDRESS = 5000;
const LOCAL = 'Host: localhost\r\n';
const ALLOWED = `${LOCAL}Authorization: Bearer ${TOKENS.operator}\r\nContent-Type: application/json\r\n`;

/** What a connection sends at once, what it sends byte by byte, and whether it reads. */
const KINDS = [
  { name: 'silent', sends: '', drips: false, reads: true },
  { name: 'slow headers', sends: `GET /metrics HTTP/1.1\r\n${LOCAL}X-Slow: `, drips: true, reads: true },
  {
    name: 'slow bodies',
    sends: `POST /api/v1/unload-all HTTP/1.1\r\n${ALLOWED}Content-Length: 1000\r\n\r\n`,
    drips: true,
    reads: true,
  },
  {
    name: 'scrapes that are not read',
    sends: `GET /metrics HTTP/1.1\r\n${LOCAL}\r\n`.repeat(5),
    drips: false,
    reads: false,
  },
  {
    name: 'events that are not read',
    sends: `GET /api/v1/events HTTP/1.1\r\n${LOCAL}\r\n`,
    drips: false,
    reads: false,
  },
  {
    name: 'idle after a request',
    sends: `GET /-/healthy HTTP/1.1\r\n${LOCAL}\r\n`,
    drips: false,
    reads: true,
  },
];

const BOMBS = [
  `GET / HTTP/1.1\r\n${LOCAL}X: ${'x'.repeat(1_000_000)}\r\n\r\n`,
  `GET / HTTP/1.1\r\n${LOCAL}${Array.from({ length: 20_000 }, (_, at) => `X-${at}: x\r\n`).join('')}\r\n`,
  `GET /${'x'.repeat(1_000_000)} HTTP/1.1\r\n${LOCAL}\r\n`,
  `POST /api/v1/unload-all HTTP/1.1\r\n${ALLOWED}Content-Length: 1000000000\r\n\r\n`,
];

/**
 * @param {import('./victim.mjs').Victim} victim
 * @param {import('../abuse.mjs').Flags} flags
 * @returns {Promise<import('./victim.mjs').Finding[]>}
 */
export async function slow(victim, { connections, hold }) {
  // Twice: the first ones are slower.
  await scrapes(victim.ask);
  const quiet = await scrapes(victim.ask);
  const memory = victim.resident();
  const sockets = await openAll(victim.port, connections);
  const drip = setInterval(() => {
    for (const { socket, kind } of sockets) if (kind.drips && socket.writable) socket.write('x');
  }, 1000);
  const bombs = await Promise.all(BOMBS.map((bomb) => statusOfBomb(victim.port, bomb)));
  const startedAt = performance.now();
  const under = { times: /** @type {number[]} */ ([]), failed: 0 };
  let peak = 0;
  do {
    const { times, failed } = await scrapes(victim.ask);
    under.times.push(...times);
    under.failed += failed;
    peak = Math.max(peak, victim.resident());
    await sleep(500);
  } while (performance.now() - startedAt < hold * 1000);
  clearInterval(drip);
  const open = sockets.filter(({ socket }) => !socket.closed && socket.writable);
  const kinds = KINDS.map((kind) => `${open.filter((each) => each.kind === kind).length} ${kind.name}`);
  for (const { socket } of sockets) socket.destroy();
  const calm = await untilCalm(victim, memory);
  const limit = Math.max(AT_LEAST_MS, FACTOR * median(quiet.times));
  const [p50, p99] = [median(under.times), quantile(under.times, 0.99)];
  return [
    {
      kept: under.failed === 0 && p50 <= limit,
      text: `${under.times.length} scrapes with ${sockets.length} connections: ${under.failed} failed, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; p50 ${median(quiet.times).toFixed(1)} ms before; the limit is ${limit.toFixed(0)} ms`,
    },
    {
      kept: bombs.every((status) => status >= 0 && status < 500),
      text: `bombs are answered by ${bombs.map((status) => status || 'a cut').join(', ')}`,
    },
    { kept: true, text: `after ${hold} s the exporter has kept open: ${kinds.join(', ')}` },
    { ...memoryFinding('when all are gone', memory, calm) },
    { kept: true, text: `memory at most: ${(peak / 1e6).toFixed(1)} MB` },
  ];
}

/** @param {import('./victim.mjs').Victim['ask']} ask */
async function scrapes(ask) {
  const result = { times: /** @type {number[]} */ ([]), failed: 0 };
  for (let scrape = 0; scrape < SCRAPES; scrape += 1) {
    const startedAt = performance.now();
    const text = await ask('/metrics').then(
      (answer) => answer.text(),
      () => '',
    );
    result.times.push(performance.now() - startedAt);
    if (!text.includes('llama_router_up')) result.failed += 1;
  }
  return result;
}

/** @typedef {{ socket: import('node:net').Socket, kind: (typeof KINDS)[number] }} Slow */

/** @param {number} port @param {number} count @returns {Promise<Slow[]>} */
async function openAll(port, count) {
  /** @type {Slow[]} */
  const sockets = [];
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(200, count - sockets.length) }, (_, at) =>
      openOne(port, sockets.length + at),
    );
    sockets.push(...(await Promise.all(batch)));
  }
  return sockets;
}

/** @param {number} port @param {number} at @returns {Promise<Slow>} */
function openOne(port, at) {
  const kind = /** @type {(typeof KINDS)[number]} */ (KINDS[at % KINDS.length]);
  const localAddress = `127.0.0.${2 + Math.floor(at / OF_ADDRESS)}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress }, () => {
      socket.off('error', reject).on('error', () => {});
      if (kind.reads) socket.resume();
      else socket.pause();
      if (kind.sends !== '') socket.write(kind.sends);
      resolve({ socket, kind });
    });
    socket.once('error', reject);
  });
}

/**
 * The status; 0: the connection was cut, which may come before an answer; -1: nothing happens.
 * @param {number} port @param {string} bomb @returns {Promise<number>}
 */
function statusOfBomb(port, bomb) {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bomb));
    socket.on('data', (chunk) => (received += chunk));
    socket.on('error', () => {});
    socket.once('close', () => resolve(Number(/^HTTP\/1.1 (\d+)/.exec(received)?.[1] ?? 0)));
    setTimeout(() => resolve(-1), 20_000).unref();
  });
}

/**
 * Resident bytes once they have fallen, while scrapes go on as in any service, or after 15 s.
 * @param {import('./victim.mjs').Victim} victim
 * @param {number} before
 */
async function untilCalm({ ask, resident }, before) {
  for (let second = 0; second < 15 && resident() > before * 1.3; second += 1) {
    await scrapes(ask);
    await sleep(1000);
  }
  return resident();
}
