import { connect } from 'node:net';
import { createSeededRandom } from '../../tools/seeded-random.mjs';
import { createRequests } from './requests.mjs';
import { memoryFinding } from './victim.mjs';

const CONNECTIONS = 32;
const PATIENCE_MS = 30_000;
/** A request that is not complete is not answered, or only after the exporter's limit. */
const PATIENCE_FOR_RUINS_MS = 200;

/** Of the requests, by who sends them. */
const SHARES = { none: 0.4, curious: 0.4, operator: 0.2 };

/**
 * @param {import('./victim.mjs').Victim} victim
 * @param {import('../abuse.mjs').Flags} flags
 * @returns {Promise<import('./victim.mjs').Finding[]>}
 */
export async function fuzz(victim, { requests, seed }) {
  const document = /** @type {any} */ (await (await victim.ask('/api/v1/openapi.json')).json());
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ path, method: method.toUpperCase() })),
  );
  const make = createRequests(routes, createSeededRandom(seed));
  const findings = [];
  let warm = 0;
  for (const [caller, share] of Object.entries(SHARES)) {
    const result = await sendAll(victim.port, () => make(caller), Math.round(requests * share), document);
    warm ||= victim.resident();
    findings.push({ kept: result.failures.length === 0, text: `${caller}: ${result.text}` });
    if (caller === 'operator') continue;
    const holds = await victim
      .ask('/api/v1/holds')
      .then(async (answer) => /** @type {any} */ (await answer.json()).holds.length);
    const acted = [...new Set(victim.actors())];
    findings.push({
      kept: victim.orders() + holds + acted.length === 0,
      text: `${caller}: ${victim.orders()} orders at the router, ${holds} holds, ${acted.length} actions in the audit file ${acted.slice(0, 3).join(', ')}`,
    });
  }
  // The same requests, with permission: otherwise the promises above would prove nothing.
  findings.push({
    kept: victim.orders() > 0 && victim.actors().length > 0,
    text: `operator: ${victim.orders()} orders at the router, ${victim.actors().length} actions in the audit file`,
  });
  return [...findings, memoryFinding('after all requests', warm, victim.resident())];
}

/**
 * @param {number} port
 * @param {() => import('./requests.mjs').Request} make
 * @param {number} count
 * @param {{ paths: Record<string, Record<string, { responses: object }>> }} document
 */
async function sendAll(port, make, count, document) {
  /** @type {Record<string, number>} */
  const statuses = {};
  /** @type {string[]} */
  const failures = [];
  let left = count;
  const worker = async () => {
    /** @type {import('node:net').Socket | undefined} */
    let socket;
    while (left > 0 && failures.length < 10) {
      left -= 1;
      const request = make();
      socket = socket?.writable ? socket : await open(port);
      const { status, reusable } = await exchange(socket, request);
      const { method, path, route } = request;
      statuses[status] = (statuses[status] ?? 0) + 1;
      const asked = method === 'HEAD' ? 'get' : method.toLowerCase();
      const documented = status in (document.paths[route]?.[asked]?.responses ?? {});
      if ((status >= 500 && !documented) || (status === 0 && request.complete)) {
        failures.push(`${method} ${path.slice(0, 200)}: ${status || 'no answer'}`);
      }
      if (reusable) continue;
      socket.destroy();
      socket = undefined;
    }
    socket?.destroy();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  const counts = Object.entries(statuses).map(([status, times]) => `${times} × ${status}`);
  const text = `${count} requests: ${counts.join(', ')}${failures.map((each) => `\n        ${each}`).join('')}`;
  return { failures, text: text.replace('× 0', 'incomplete ones without answer') };
}

/** @param {number} port @returns {Promise<import('node:net').Socket>} */
function open(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
    socket.on('error', () => {});
  });
}

/**
 * Sends a request; status 0: no answer in time, or a connection that was closed without one.
 * @param {import('node:net').Socket} socket
 * @param {import('./requests.mjs').Request} request
 * @returns {Promise<{ status: number, reusable: boolean }>}
 */
function exchange(socket, { bytes, method, complete }) {
  return new Promise((resolve) => {
    let received = '';
    const end = (/** @type {number} */ status, reusable = false) => {
      clearTimeout(timer);
      socket.off('data', take).off('close', closed);
      resolve({ status, reusable: reusable && complete });
    };
    const closed = () => end(statusOf(received));
    const take = (/** @type {Buffer} */ chunk) => {
      received += chunk.toString('latin1');
      if (/^HTTP\/1.1 1\d\d/.test(received)) received = received.slice(received.indexOf('\r\n\r\n') + 4);
      const head = received.indexOf('\r\n\r\n');
      if (head < 0) return;
      const status = statusOf(received);
      const lines = received.slice(0, head);
      const length = Number(
        /\r\ncontent-length: (\d+)/i.exec(lines)?.[1] ?? (status === 204 || status === 304 ? 0 : -1),
      );
      // Without a length it is a stream, or the answer to something that is not HTTP.
      if (length < 0) return end(status);
      const isWhole = method === 'HEAD' || received.length >= head + 4 + length;
      if (isWhole) end(status, !/\r\nconnection: close/i.test(lines) && received.length <= head + 4 + length);
    };
    const timer = setTimeout(() => end(0), complete ? PATIENCE_MS : PATIENCE_FOR_RUINS_MS);
    socket.on('data', take).on('close', closed);
    socket.write(bytes);
  });
}

/** @param {string} received */
const statusOf = (received) => Number(/^HTTP\/1.1 (\d+)/.exec(received)?.[1] ?? 0);
