import { ask, posted } from './support/ask.mjs';
import { median, quantile, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { openClient } from './support/keep-alive-client.mjs';
import { startModule } from './support/processes.mjs';

export const usage =
  'gate: p50 and p99 of an answer of the gate over one keep-alive connection, compared with a ready string.';

export const flags = {
  series: flag(1000, 'about how many series the exporter has, 30 models a router'),
  rounds: flag(200, 'turns of each contestant'),
  turn: flag(10, 'questions in one turn'),
  warmup: flag(20, 'rounds that are not counted'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

const ROUTER = 'gpu-box-0:8080';
const MODEL = 'qwen2.5-7b-instruct-q4_k_m-7';

/** @param {Flags} flags */
export async function run(flags) {
  const kind = 'quiet';
  const exporter = await startModule('contestants/exporter.mjs', { series: flags.series, kind });
  const held = await startModule('contestants/exporter.mjs', { series: flags.series, kind });
  const ready = await startModule('contestants/ready-string.mjs', { text: 'x'.repeat(200) });
  const gate = `/api/v1/gate?router=${encodeURIComponent(ROUTER)}&model=${MODEL}`;
  const terms = { ttl_seconds: 3600, reason: 'training' };
  await ask(`http://127.0.0.1:${held.ready.port}/api/v1/holds`, posted(terms));
  const queues = await Promise.all(
    [
      { name: 'open: 204', port: exporter.ready.port, path: gate, status: 204 },
      { name: 'held: 503', port: held.ready.port, path: gate, status: 503 },
      { name: 'ready string of 200 bytes', port: ready.ready.port, path: '/', status: 200 },
    ].map(async ({ name, port, path, status }) => ({
      name,
      client: await openClient(port, path, status),
      times: /** @type {number[]} */ ([]),
    })),
  );
  for (let round = -flags.warmup; round < flags.rounds; round += 1) {
    for (const { client, times } of queues) {
      for (let question = 0; question < flags.turn; question += 1) {
        const { milliseconds } = await client.get('identity');
        if (round >= 0) times.push(milliseconds);
      }
    }
  }
  for (const { client } of queues) client.close();
  await Promise.all([exporter, held, ready].map((server) => server.stop()));
  const floor = median(queues.at(-1)?.times ?? []);
  const rows = queues.map(({ name, times }) => [
    name,
    median(times).toFixed(3),
    quantile(times, 0.99).toFixed(3),
    (median(times) / floor).toFixed(2),
  ]);
  console.log(`\n${flags.rounds * flags.turn} questions each, in turns, milliseconds:\n`);
  console.log(table(['the gate', 'p50', 'p99', '× ready string'], rows));
}
