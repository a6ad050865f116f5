import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isReady, jsonOf, posted, textOf, until } from './support/ask.mjs';
import { quantile, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { startExporter } from './support/processes.mjs';
import { firstModels, loadAll, realRouter, untilAll } from './support/router.mjs';

export const usage = `hold: time until a hold of all memory is active, with idle models of a real router in it, and until the router has the
first unload order. In turn: without and with restore. The memory is measured free on a card that a script plays.
LLAMA_SERVER_URL names the router, on this machine; its --models-max must allow as many models.`;

export const flags = {
  models: flag(4, 'how many models; they are unloaded'),
  match: flag('', 'only models with this in their name, which no other router of this machine may have'),
  rounds: flag(30, 'how often each way is measured'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

const MEBIBYTE = 1024 * 1024;
const CARD = { uuid: 'GPU-00000000-0000-0000-0000-00000000fa4e', totalMiB: 24_576, modelMiB: 5000 };

/** @param {Flags} flags */
export async function run(flags) {
  const url = realRouter();
  const models = await firstModels(url, flags.models, flags.match);
  const folder = mkdtempSync(join(tmpdir(), 'llama-router-exporter-bench-'));
  const tap = await startTap(url);
  const port = await freePort();
  const exporter = await startExporter([
    `--router=${tap.url}`,
    `--web.listen-address=127.0.0.1:${port}`,
    `--state.file=${join(folder, 'state.json')}`,
    `--memory.nvidia-smi=${playCard(folder, models)}`,
  ]);
  const holds = `http://127.0.0.1:${port}/api/v1/holds`;
  const terms = { ttl_seconds: 60, unload: 'all', need_bytes: CARD.totalMiB * MEBIBYTE, wait: 60 };
  const ways = { 'without restore': false, 'with restore': true };
  /** @type {Record<string, { active: number[], ordered: number[] }>} */
  const times = Object.fromEntries(Object.keys(ways).map((way) => [way, { active: [], ordered: [] }]));
  try {
    await until('the exporter to be ready', () => isReady(port));
    // One round that is not counted.
    for (let round = -1; round < flags.rounds; round += 1) {
      for (const [way, restore] of Object.entries(ways)) {
        await loadAll(url, models);
        const ordered = tap.firstUnload();
        const startedAt = performance.now();
        const hold = await jsonOf(holds, posted({ ...terms, restore }));
        const active = performance.now() - startedAt;
        if (hold.state !== 'active') throw new Error(`the hold is ${hold.state}: ${hold.why}`);
        await untilAll(url, models, 'unloaded');
        await textOf(`${holds}/${hold.id}`, { method: 'DELETE' });
        if (restore) await untilAll(url, models, 'loaded');
        if (round < 0) continue;
        times[way]?.active.push(active);
        times[way]?.ordered.push((await ordered) - startedAt);
      }
    }
  } finally {
    await exporter.stop();
    tap.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(
    `\n${flags.models} idle models of a real router, ${flags.rounds} holds each, from the request:\n`,
  );
  console.log(
    table(
      ['', 'first order ms, p50', 'p99', 'active ms, p50', 'p99'],
      Object.entries(times).map(([way, { active, ordered }]) => [
        way,
        ...[ordered, active]
          .flatMap((each) => [quantile(each, 0.5), quantile(each, 0.99)])
          .map((ms) => ms.toFixed(1)),
      ]),
    ),
  );
}

/**
 * A proxy in front of the router that says when it passes on an unload order.
 * @param {string} url
 */
async function startTap(url) {
  let heard = (/** @type {number} */ _at) => {};
  const server = createServer((asked, answer) => {
    if (asked.url === '/models/unload') heard(performance.now());
    const { method, headers } = asked;
    const passed = request(`${url}${asked.url}`, { method, headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answer);
      // The event stream sends nothing at first.
      answer.flushHeaders();
    });
    passed.on('error', () => answer.destroy());
    answer.on('close', () => passed.destroy());
    asked.pipe(passed);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    /** @returns {Promise<number>} when the next order arrives */
    firstUnload: () =>
      new Promise((resolve) => {
        heard = resolve;
      }),
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * An nvidia-smi whose card is used by the living processes of these models; its path. A shell script: Node takes too long to
 * start.
 * @param {string} folder
 * @param {readonly string[]} models
 */
function playCard(folder, models) {
  const path = join(folder, 'nvidia-smi');
  const names = models.map((model) => `-e '^${model}$'`).join(' ');
  const script = `#!/bin/sh
running() { grep -lzx -e --alias $(grep -lzx ${names} /proc/[0-9]*/cmdline 2>/dev/null) /dev/null 2>/dev/null; }
case "$*" in
  *--query-gpu=*)
    used=0; for each in $(running); do used=$((used + ${CARD.modelMiB})); done
    echo "0, ${CARD.uuid}, [N/A], ${CARD.totalMiB}, $used, $((${CARD.totalMiB} - used)), Imaginary RTX 4090, 00000000:01:00.0" ;;
  *--query-compute-apps=*)
    for each in $(running); do pid=\${each#/proc/}; echo "${CARD.uuid}, \${pid%/cmdline}, ${CARD.modelMiB}, 00000000:01:00.0"; done ;;
esac
exit 0
`;
  writeFileSync(path, script, { mode: 0o755 });
  return path;
}
