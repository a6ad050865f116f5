import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { textOf, until } from './support/ask.mjs';
import { table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { brokenPromises, countsIn } from './support/ledger-promises.mjs';
import { startExporter, startModule } from './support/processes.mjs';

export const usage = `ledger: the exporter's counters, compared with a count that simulated routers keep themselves, while streams are
cut, listings delayed, routers restarted and clocks set. Ends with 1 if a counter is wrong.`;

export const flags = {
  routers: flag(500, 'simulated routers of 5 models'),
  processes: flag(3, 'that they run in; all but the first are killed in turn'),
  transitions: flag(1_000_000, 'loads, failed loads, unloads, sleeps and wakes'),
  kill: flag(30, 'seconds between two kills'),
  scrape: flag(5, 'seconds between two scrapes'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

/** So long after the last change, every listing that could correct a counter has come. */
const QUIET_MS = 12_000;
const LISTING_SECONDS = 5;
const SLOWLY = { everyMs: 1000, withinMs: 300_000 };
/** Without a transition in this time, the routers are stuck. */
const STUCK_MS = 120_000;

const YEAR_MS = 365 * 24 * 3600 * 1000;
/** The exporter's system clock is set to these, in turn. */
const CLOCK_OFFSETS_MS = [0, YEAR_MS, -YEAR_MS, 3600_000, -60_000];
const CLOCK_EVERY_MS = 7000;

/** @typedef {import('./ledger-routers.mjs').Place} Place */
/** @typedef {import('./support/router-ledger.mjs').Saved} Saved */
/** @typedef {{ ledger: Saved, statuses: Record<string, string> }} Kept */
/** @typedef {Awaited<ReturnType<typeof startModule>>} Module */
/** @typedef {{ module: Module, places: Place[] }} Host */

/** @param {Flags} flags */
export async function run(flags) {
  const folder = await mkdtemp(join(tmpdir(), 'llama-router-exporter-ledger-'));
  const hosts = await Promise.all(sharedOut(flags.routers, flags.processes).map(openHost));
  const port = await freePort();
  const exporter = await startExporterOf(hosts, folder, port);
  const url = `http://127.0.0.1:${port}`;
  const scrapes = startScraping(url, flags.scrape);
  try {
    await scrapes.until((text) => countOf(text, /^llama_router_up\{.*\} 1$/gm) === flags.routers);
    const seconds = await drive(hosts, flags, url);
    await untilQuiet(scrapes);
    const kept = /** @type {Kept[][]} */ (
      await Promise.all(hosts.map(async ({ module }) => (await module.ask({ do: 'save' })).saved))
    );
    const routers = hosts.flatMap(({ places }, at) =>
      places.map((place, index) => ({ place, .../** @type {Kept} */ (kept[at]?.[index]) })),
    );
    report(routers, await scrapes.now(), seconds);
  } finally {
    scrapes.stop();
    await exporter.stop();
    await Promise.all(hosts.map(({ module }) => module.stop()));
    await rm(folder, { recursive: true });
  }
}

/**
 * Of ten routers, two are steady, seven fail, and one has no event stream.
 * @param {number} routers
 * @param {number} processes
 */
function sharedOut(routers, processes) {
  const hosts = Array.from({ length: processes }, () => /** @type {Place[]} */ ([]));
  for (let at = 0; at < routers; at += 1) {
    const sight = at % 10 === 9 ? (at % 20 === 9 ? 'each' : 'some') : 'stream';
    hosts[(at + Math.floor(at / 10)) % processes]?.push({ port: 0, sight, steady: at % 10 < 2 });
  }
  return hosts;
}

/** @param {Place[]} places @returns {Promise<Host>} */
async function openHost(places) {
  const module = await startModule('ledger-routers.mjs', { places });
  const ports = module.ready.urls.map((/** @type {string} */ url) => Number(new URL(url).port));
  return { module, places: places.map((place, at) => ({ ...place, port: ports[at] })) };
}

/** @param {readonly Host[]} hosts @param {string} folder @param {number} port */
async function startExporterOf(hosts, folder, port) {
  const targets = hosts.flatMap(({ places }) => places.map((place) => `127.0.0.1:${place.port}`));
  await writeFile(join(folder, 'targets.json'), JSON.stringify([{ targets }]));
  const config = [
    'discovery: [{ name: all, files: [targets.json], max_routers: 5000 }]',
    `web: { listen_address: '127.0.0.1:${port}' }`,
    `follow: { listing_interval: ${LISTING_SECONDS}s, request_timeout: 2s, reconnect_max: 2s }`,
    'state: { file: state.json }',
  ];
  await writeFile(join(folder, 'config.yml'), config.join('\n'));
  const clock = fileURLToPath(new URL('support/set-clock.mjs', import.meta.url));
  const clockFile = join(folder, 'clock');
  const setClock = (/** @type {number} */ turn) =>
    writeFileSync(clockFile, String(CLOCK_OFFSETS_MS[turn % CLOCK_OFFSETS_MS.length]));
  setClock(0);
  const exporter = await startExporter(
    [`--config.file=${join(folder, 'config.yml')}`, '--log.level=info'],
    ['--import', clock],
    { CLOCK_FILE: clockFile },
  );
  let turn = 0;
  const clockTimer = setInterval(() => setClock(++turn), CLOCK_EVERY_MS);
  return {
    async stop() {
      await exporter.stop();
      clearInterval(clockTimer);
    },
  };
}

/**
 * Until the number of transitions has happened; returns the seconds.
 * @param {Host[]} hosts
 * @param {{ transitions: number, kill: number, processes: number }} flags
 * @param {string} exporter
 */
async function drive(hosts, { transitions, kill, processes }, exporter) {
  const startedAt = performance.now();
  const share = Math.ceil(transitions / processes);
  const start = (/** @type {Host} */ { module }) =>
    module.child.send({ do: 'drive', transitions: share, exporter });
  for (const host of hosts) start(host);
  let [killedAt, changedAt] = [performance.now(), performance.now()];
  let [next, before] = [0, -1];
  for (;;) {
    await sleep(500);
    const totals = await Promise.all(
      hosts.map(async ({ module }) => (await module.ask({ do: 'count' })).total),
    );
    const total = totals.reduce((sum, each) => sum + each, 0);
    if (total !== before) [before, changedAt] = [total, performance.now()];
    if (performance.now() - changedAt > STUCK_MS) throw new Error(`no transition since the ${total} so far`);
    if (process.stderr.isTTY) process.stderr.write(`\r${total} of ${transitions} transitions `);
    if (total >= transitions || totals.every((each) => each >= share)) break;
    if (processes < 2 || performance.now() - killedAt < kill * 1000) continue;
    next = (next % (processes - 1)) + 1;
    hosts[next] = await killAndRestart(/** @type {Host} */ (hosts[next]));
    start(/** @type {Host} */ (hosts[next]));
    killedAt = performance.now();
  }
  const seconds = (performance.now() - startedAt) / 1000;
  await Promise.all(hosts.map(({ module }) => module.ask({ do: 'stop' })));
  return seconds;
}

/** Its routers end without a word and come back at the same addresses. @param {Host} host @returns {Promise<Host>} */
async function killAndRestart({ module, places }) {
  await module.ask({ do: 'stop' });
  const ended = new Promise((resolve) => module.child.once('exit', resolve));
  const { saved } = await module.ask({ do: 'end' });
  await ended;
  return openHost(places.map((place, at) => ({ ...place, saved: saved[at].ledger })));
}

/** Scrapes as a Prometheus does. @param {string} url @param {number} seconds */
function startScraping(url, seconds) {
  const now = () => textOf(`${url}/metrics`);
  let isOver = false;
  void (async () => {
    while (!isOver) {
      await sleep(seconds * 1000);
      if (!isOver) await now().catch(() => {});
    }
  })();
  return {
    now,
    /** @param {(text: string) => boolean} condition */
    until: (condition) =>
      until('the exporter to follow all routers', async () => condition(await now()), SLOWLY),
    stop() {
      isOver = true;
    },
  };
}

/** Resolves when no counter of a model has changed for a while. @param {ReturnType<typeof startScraping>} scrapes */
async function untilQuiet({ now }) {
  const counters = async () => JSON.stringify([...countsIn(await now())]);
  let [before, since] = [await counters(), performance.now()];
  const isQuiet = async () => {
    const after = await counters();
    if (after !== before) since = performance.now();
    before = after;
    return performance.now() - since >= QUIET_MS;
  };
  await until('the counters to stay the same', isQuiet, { ...SLOWLY, everyMs: 2000 });
}

/**
 * @param {readonly Router[]} routers
 * @param {string} scrape
 * @param {number} seconds
 */
function report(routers, scrape, seconds) {
  const exporter = countsIn(scrape);
  const models = routers.flatMap(({ place, ledger, statuses }) =>
    [...ledger.models].map(([model, { tally }]) => {
      const key = `127.0.0.1:${place.port} ${model}`;
      const { counts = {}, status = 'none' } = exporter.get(key) ?? {};
      const broken = brokenPromises(tally, counts);
      if (status !== statuses[model]) broken.push(`status: ${status}, should be ${statuses[model]}`);
      return { kind: kindOf(place), tally, counts, broken: broken.map((what) => `${key}: ${what}`) };
    }),
  );
  const total = routers.reduce((sum, { ledger }) => sum + ledger.total, 0);
  const pace = Math.round(total / seconds);
  console.log(
    `\n${total} transitions of ${routers.length} routers in ${Math.round(seconds)} s, ${pace} a second:\n`,
  );
  console.log(kindsTable(routers, models));
  console.log(`\n${countersTable(models)}`);
  const broken = models.flatMap((model) => model.broken);
  if (broken.length === 0) return console.log('\nEvery counter keeps its promise.');
  console.error(`\n${broken.length} counters are wrong, such as ${broken[0]}`);
  for (const line of broken.slice(1, 20)) console.error(line);
  process.exitCode = 1;
}

/** @typedef {{ place: Place } & Kept} Router */
/** @typedef {{ kind: string, tally: import('./support/router-ledger.mjs').Tally, counts: Record<string, number>, broken: string[] }} Model */

/** @param {Place} place */
function kindOf({ sight, steady }) {
  if (sight === 'each') return 'no stream, a listing after each change';
  if (sight === 'some') return 'no stream';
  return steady ? 'stream' : 'stream, faults';
}

/** @param {readonly Router[]} routers @param {readonly Model[]} models */
function kindsTable(routers, models) {
  const kinds = [...new Set(models.map(({ kind }) => kind))].sort();
  const rows = kinds.map((kind) => {
    const [own, place] = [
      models.filter((model) => model.kind === kind),
      routers.filter(({ place }) => kindOf(place) === kind),
    ];
    const [seen, vague, missable] = KINDS.map((each) => transitionsIn(own.map(({ tally }) => tally[each])));
    const happened = (seen ?? 0) + (vague ?? 0) + (missable ?? 0);
    const counted = transitionsIn(own.map(({ counts }) => counts));
    const losses = place.reduce((sum, { ledger }) => sum + ledger.losses, 0);
    return [kind, place.length, losses, happened, counted, happened - counted, missable ?? 0, vague ?? 0];
  });
  const head = [
    'routers',
    'number',
    'streams lost',
    'happened',
    'counted',
    'missing',
    'of these at most',
    'reason unclear',
  ];
  return table(head, rows);
}

const KINDS = /** @type {const} */ (['seen', 'vague', 'missable']);

/** @param {readonly Model[]} models */
function countersTable(models) {
  const names = [...new Set(models.flatMap(({ counts }) => Object.keys(counts)))].sort();
  const sum = (/** @type {readonly Record<string, number>[]} */ all, /** @type {string} */ name) =>
    all.reduce((sum, counts) => sum + (counts[name] ?? 0), 0);
  const rows = names.map((name) => {
    const parts = KINDS.map((kind) =>
      sum(
        models.map(({ tally }) => tally[kind]),
        name,
      ),
    );
    return [
      name,
      ...parts,
      sum(
        models.map(({ counts }) => counts),
        name,
      ),
    ];
  });
  return table(['counter', 'seen', 'seen, reason unclear', 'missable', 'counted'], rows);
}

/** @param {readonly Record<string, number>[]} all */
function transitionsIn(all) {
  const own = ['loads', 'load_failures', 'unloads', 'sleeps', 'wakes'];
  return all
    .flatMap((counts) => Object.entries(counts))
    .reduce((sum, [name, count]) => sum + (own.includes(name.split(' ')[0] ?? '') ? count : 0), 0);
}

/** @param {string} text @param {RegExp} pattern */
function countOf(text, pattern) {
  return text.match(pattern)?.length ?? 0;
}
