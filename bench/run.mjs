// Runs one of the measurements of docs/performance.md on the build: `node bench/run.mjs scrape`.
import { existsSync } from 'node:fs';

/** By name; each module exports `run(args)` and says in `usage` which flags it takes. */
const MEASUREMENTS = {
  scrape: 'what a scrape takes, beside a ready string and beside prom-client + express',
  latency: "from a router's event to its visibility in /metrics, and the listings it cost",
  idle: 'memory and CPU with 10 routers of 50 models when nothing happens',
  engine: "what the models' own metrics add to a scrape, and one that hangs",
  memory: 'what reading the memory of the machine costs beside thousands of processes',
  soak: 'ten minutes beside a real router: nothing is loaded, woken or kept awake',
  gate: 'what an answer of the gate takes, which a proxy asks before every request',
  driver: 'what scrapes take while nvidia-smi hangs',
  unload: 'all idle models unloaded and gone, beside the shell loop that people write',
  scale: 'one exporter and 10, 50 and 200 routers: start, memory, CPU, scrape',
  churn: 'memory while thousands of models come and go',
};

const [name = '', ...args] = process.argv.slice(2);
if (!Object.hasOwn(MEASUREMENTS, name)) fail(await overview());
if (!existsSync(new URL('../dist/src/service.js', import.meta.url)))
  fail('Nothing is built: run npm run build.');
const { run, usage } = await import(`./${name}.mjs`);
if (args.includes('--help')) console.log(usage);
else await run(args);

async function overview() {
  const lines = Object.entries(MEASUREMENTS).map(([each, what]) => `  ${each.padEnd(9)}${what}`);
  return `Usage: node bench/run.mjs NAME [flags]; NAME --help tells its flags\n${lines.join('\n')}`;
}

/** @param {string} message */
function fail(message) {
  console.error(message);
  process.exit(2);
}
