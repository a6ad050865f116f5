import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSimulatedRouter } from '../../.build/simulator/simulated-router.js';
import { ask } from '../support/ask.mjs';
import { megabytes } from '../support/figures.mjs';
import { freePort } from '../support/free-port.mjs';
import { startExporter, usageOf } from '../support/processes.mjs';

/** @typedef {Awaited<ReturnType<typeof startVictim>>} Victim */
/** What a part has found; `kept` false: a promise is broken. @typedef {{ kept: boolean, text: string }} Finding */

export const TOKENS = { operator: 'operator-0123456789abcdef', curious: 'curious-0123456789abcdef' };

/** An exporter with an audit file and two tokens, and its simulated router with 50 models, which counts orders. */
export async function startVictim() {
  const folder = mkdtempSync(join(tmpdir(), 'llama-router-exporter-abuse-'));
  let orders = 0;
  const ids = ['qwen', 'bge-m3', ...Array.from({ length: 48 }, (_, model) => `model-${model}`)];
  const router = createSimulatedRouter(
    { models: ids.map((id) => ({ id, loadSeconds: 0.01 })), modelsMax: 8 },
    ({ method, path }, _response, answer) => {
      if (method === 'POST' && /^\/models\/(load|unload)/.test(path)) orders += 1;
      return answer();
    },
  );
  const { url } = await router.listen();
  await Promise.all(['qwen', 'bge-m3', 'model-1'].map((id) => router.load(id)));
  // A client that needs it again and again: there is always something to unload.
  const client = setInterval(() => router.load('qwen').catch(() => {}), 100);
  const [port, audit] = [await freePort(), join(folder, 'audit.jsonl')];
  for (const [name, token] of Object.entries(TOKENS)) writeFileSync(join(folder, name), token);
  writeFileSync(
    join(folder, 'config.yml'),
    `routers: [{ url: '${url}' }]
web: { listen_address: '127.0.0.1:${port}' }
audit: { file: ${audit} }
state: { file: ${join(folder, 'state.json')} }
unload: { busy_timeout: 1s, timeout: 1s, answer_within: 1s }
auth:
  tokens:
    - { name: operator, token_file: ${join(folder, 'operator')} }
    - { name: curious, token_file: ${join(folder, 'curious')}, dry_run: true }
`,
  );
  const exporter = await startExporter([`--config.file=${join(folder, 'config.yml')}`]);
  await sleep(1000);
  const descriptors = () => readdirSync(`/proc/${exporter.pid}/fd`).length;
  const before = descriptors();
  const victim = {
    port,
    router,
    orders: () => orders,
    resident: () => usageOf(exporter.pid).residentBytes,
    /** Names of callers in the audit file that have done something. */
    actors: () =>
      readFileSync(audit, { encoding: 'utf8', flag: 'a+' })
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
        .filter(({ kind, dry_run, outcome }) => kind !== 'refusal' && !dry_run && outcome !== 'refused')
        .map(({ kind, caller, by }) => `${kind} of ${caller?.name ?? by?.name ?? by}`),
    /** A successful answer. @param {string} path */
    ask(path) {
      const headers = { authorization: `Bearer ${TOKENS.operator}` };
      return ask(`http://127.0.0.1:${port}${path}`, { headers, signal: AbortSignal.timeout(10_000) });
    },
    /** Whether it still answers, and has closed what others have left. @returns {Promise<Finding[]>} */
    async health() {
      const healthy = await victim.ask('/-/healthy').then(
        () => true,
        () => false,
      );
      if (!healthy) return [{ kept: false, text: 'the exporter does not answer any more' }];
      for (let waited = 0; waited < 20 && descriptors() > before + 10; waited += 1) await sleep(500);
      const after = descriptors();
      return [
        {
          kept: after <= before + 10,
          text: `open: ${after} descriptors, ${before} before; the limit is 10 more`,
        },
      ];
    },
    async stop() {
      clearInterval(client);
      await exporter.stop();
      await router.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return victim;
}

/**
 * @param {string} what
 * @param {number} before bytes
 * @param {number} after bytes
 * @returns {Finding}
 */
export function memoryFinding(what, before, after) {
  const limit = before * 1.5 + 60e6;
  const text = `memory: ${megabytes(after)} MB ${what}, ${megabytes(before)} MB before; the limit is ${megabytes(limit)} MB`;
  return { kept: after <= limit, text };
}
