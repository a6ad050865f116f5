import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, quantile } from '../support/figures.mjs';
import { TOKENS } from './victim.mjs';

/** A scrape that takes longer fails in Prometheus. */
const TIMEOUT_MS = 10_000;
/** Requests start in groups this often. */
const TICK_MS = 20;

/**
 * Scrapes and notifications at a fixed rate, each timed from the moment when it was due.
 * @param {import('./victim.mjs').Victim} victim
 * @param {import('../abuse.mjs').Flags} flags
 * @returns {Promise<import('./victim.mjs').Finding[]>}
 */
export async function load({ port }, { seconds, scrapes, notifications }) {
  const agent = new Agent({ keepAlive: true });
  /** @type {Record<'scrape' | 'notification', { times: number[], failures: string[] }>} */
  const results = { scrape: { times: [], failures: [] }, notification: { times: [], failures: [] } };
  /** @type {Promise<void>[]} */
  const open = [];
  const startedAt = performance.now();
  const started = { scrape: 0, notification: 0 };
  for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - startedAt) {
    for (const [kind, rate] of /** @type {const} */ ([
      ['scrape', scrapes],
      ['notification', notifications],
    ])) {
      for (; started[kind] < (rate * elapsed) / 1000; started[kind] += 1) {
        const due = startedAt + (1000 * started[kind]) / rate;
        const { times, failures } = results[kind];
        const sent =
          kind === 'scrape' ? scrape(port, agent, started[kind]) : notify(port, agent, started[kind]);
        open.push(
          sent.then(
            () => void times.push(performance.now() - due),
            (error) => void failures.push(error.message),
          ),
        );
      }
    }
    await sleep(TICK_MS);
  }
  await Promise.all(open);
  agent.destroy();
  return Object.entries(results).map(([kind, { times, failures }]) => ({
    kept: failures.length === 0,
    text: `${times.length} ${kind}s answered in p50 ${median(times).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms; ${failures.length} failed${failures[0] ? `: ${failures[0]}` : ''}`,
  }));
}

/** @param {number} port @param {Agent} agent @param {number} turn */
const scrape = (port, agent, turn) =>
  send(port, agent, 'GET', '/metrics', { 'Accept-Encoding': turn % 2 === 0 ? 'gzip' : 'identity' });

/** Every tenth unloads a model. @param {number} port @param {Agent} agent @param {number} turn */
function notify(port, agent, turn) {
  const action = turn % 10 === 0 ? 'unload' : 'none';
  const labels = { alertname: 'GpuMemoryHigh', action, instance: `gpu-${turn % 7}` };
  const annotations = { unload_models: `model-${turn % 48}` };
  const body = JSON.stringify({ version: '4', alerts: [{ status: 'firing', labels, annotations }] });
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${TOKENS.operator}` };
  return send(port, agent, 'POST', '/api/v1/alertmanager', headers, body);
}

/**
 * Resolves with the answer's end; rejects for any other status than 2xx.
 * @param {number} port @param {Agent} agent @param {string} method @param {string} path
 * @param {Record<string, string>} headers @param {string} [body]
 * @returns {Promise<void>}
 */
function send(port, agent, method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const sent = request({ host: '127.0.0.1', port, agent, method, path, headers, signal }, (answer) => {
      const { statusCode = 0 } = answer;
      answer.resume().once('error', reject);
      answer.once('end', () =>
        statusCode >= 200 && statusCode < 300
          ? resolve()
          : reject(new Error(`${method} ${path}: ${statusCode}`)),
      );
    });
    sent.once('error', reject);
    sent.end(body);
  });
}
