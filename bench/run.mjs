// Runs one of the measurements of docs/performance.md on the build: `node bench/run.mjs scrape`.
import { existsSync } from 'node:fs';
import { helpOf, readFlags } from './support/flags.mjs';

/** By name; each module exports `usage`, `flags` and `run(flags)`. */
const MEASUREMENTS = {
  scrape: 'scrape time, compared with a ready string and with prom-client + express',
  latency: "time from a router's event to its visibility in /metrics, and the listings requested",
  idle: 'memory and CPU with 10 idle routers of 50 models',
  burst: 'memory before, during and after a large router',
  engine: "cost of the models' own metrics in a scrape, with a model that hangs",
  memory: 'cost of a memory reading on a machine with thousands of processes',
  soak: 'ten minutes with a real router: nothing is loaded, woken or kept awake',
  gate: 'response time of the gate',
  driver: 'scrape time while nvidia-smi hangs',
  unload: 'time until all idle models are gone, compared with a curl and jq loop',
  threshold: 'time from a full GPU to freed memory, through Prometheus and Alertmanager',
  hold: 'time until a hold is active, from the request, with idle models in memory',
  evictions: 'how many evicted models a real router must kill, without and with the exporter',
  scale: 'start, memory, CPU, scrapes and event latency with 1 to 500 routers and up to 25,000 models',
  'side-by-side':
    'compared with a 15 s poller and with node_exporter: latency, missed loads, memory, start, CPU of a scrape',
  start: 'time of short commands, compared with an empty Node process',
  install: 'seconds from nothing to the first scrape, and disk space, for each way to install',
  abuse: 'many, strange and slow requests: none fails, crashes or acts without permission',
  endurance: 'hours under a steady load: memory, open handles, delay of the event loop',
  churn: 'memory while thousands of models appear and vanish',
  ledger: 'counters compared with the count of the simulated routers, under faults',
};

const [name = '', ...args] = process.argv.slice(2);
if (!Object.hasOwn(MEASUREMENTS, name)) fail(await overview());
if (!existsSync(new URL('../.build/src/service.js', import.meta.url)))
  fail('Nothing is built: use npm run bench.');
const { run, usage, flags } = await import(`./${name}.mjs`);
// What was started ends with us.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
if (args.includes('--help')) console.log(`${usage}\n${helpOf(flags)}`);
else await run(valuesOf(args, flags));

async function overview() {
  const width = Math.max(...Object.keys(MEASUREMENTS).map((each) => each.length)) + 2;
  const lines = Object.entries(MEASUREMENTS).map(([each, what]) => `  ${each.padEnd(width)}${what}`);
  return `Usage: node bench/run.mjs NAME [flags]; NAME --help lists its flags\n${lines.join('\n')}`;
}

/** @param {readonly string[]} args @param {Parameters<typeof readFlags>[1]} flags */
function valuesOf(args, flags) {
  try {
    return readFlags(args, flags);
  } catch (error) {
    return fail(`${/** @type {Error} */ (error).message}\n${helpOf(flags)}`);
  }
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(2);
}
