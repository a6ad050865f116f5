import { median, quantile, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { openClient } from './support/keep-alive-client.mjs';
import { startModule } from './support/processes.mjs';

export const usage =
  'scrape: p50 and p99 of a scrape over one keep-alive connection, all contestants in turn.';

export const flags = {
  series: flag('1000,10000', 'about how many series'),
  rounds: flag(0, 'turns of each contestant and encoding; 0: 200 at 1,000 series, 40 at 10,000'),
  turn: flag(10, 'scrapes in one turn'),
  warmup: flag(10, 'rounds that are not counted'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

const CONTESTANTS = [
  'quiet',
  'lively',
  'ready string',
  'ready bytes',
  'ready string, express',
  'prom-client',
];
const ENCODINGS = /** @type {const} */ (['identity', 'gzip']);

/** @param {Flags} flags */
export async function run(flags) {
  for (const size of flags.series.split(',').map(Number)) {
    if (!(size > 0)) throw new Error(`--series wants numbers, not '${flags.series}'`);
    const rounds = flags.rounds || Math.max(40, Math.round(200_000 / size));
    await measure(size, { ...flags, rounds });
  }
}

/**
 * @param {number} size
 * @param {{ rounds: number, turn: number, warmup: number }} pace
 */
async function measure(size, { rounds, turn, warmup }) {
  const exporters = await Promise.all(
    ['quiet', 'lively'].map((kind) => startModule('contestants/exporter.mjs', { series: size, kind })),
  );
  const [first] = exporters;
  const { series, text } = first?.ready ?? {};
  const others = await Promise.all([
    startModule('contestants/ready-string.mjs', { text }),
    startModule('contestants/ready-string.mjs', { text, bytes: true }),
    startModule('contestants/ready-string.mjs', { text, through: 'express' }),
    startModule('contestants/prom-client.mjs', { text }),
  ]);
  const servers = [...exporters, ...others];
  const results = await Promise.all(
    servers.flatMap(({ ready }, at) =>
      ENCODINGS.map(async (encoding) => ({
        contestant: CONTESTANTS[at] ?? '',
        encoding,
        client: await openClient(ready.port),
        times: /** @type {number[]} */ ([]),
        bytes: 0,
      })),
    ),
  );
  for (let round = -warmup; round < rounds; round += 1) {
    for (const each of results) {
      for (let scrape = 0; scrape < turn; scrape += 1) {
        const answer = await each.client.get(each.encoding);
        if (round >= 0) each.times.push(answer.milliseconds);
        each.bytes = answer.bytes;
      }
    }
  }
  for (const { client } of results) client.close();
  await Promise.all(servers.map((server) => server.stop()));
  report(series, rounds * turn, results);
}

/**
 * @param {number} series
 * @param {number} scrapes
 * @param {readonly { contestant: string, encoding: string, times: number[], bytes: number }[]} results
 */
function report(series, scrapes, results) {
  console.log(`\n${series} series, ${scrapes} scrapes each, in turns, milliseconds:\n`);
  const rows = ENCODINGS.flatMap((encoding) => {
    const own = results.filter((each) => each.encoding === encoding);
    const p50Of = (/** @type {string} */ name) =>
      median(own.find((each) => each.contestant === name)?.times ?? []);
    const ready = p50Of('ready string');
    const throughExpress = p50Of('ready string, express');
    const promClient = p50Of('prom-client');
    return own.map(({ contestant, times, bytes }) => {
      const p50 = median(times);
      return [
        contestant,
        encoding === 'gzip' ? 'gzip' : 'plain',
        bytes,
        p50.toFixed(3),
        quantile(times, 0.99).toFixed(3),
        (p50 / ready).toFixed(2),
        (p50 / throughExpress).toFixed(2),
        (promClient / p50).toFixed(1),
      ];
    });
  });
  console.log(
    table(
      [
        '',
        'encoding',
        'bytes',
        'p50',
        'p99',
        '× ready string',
        '× through express',
        '× faster than prom-client',
      ],
      rows,
    ),
  );
}
