// Loaded into a process by `--import`: at each SIGUSR2 it appends a line of JSON to the file in its query, with how late
// timers of its event loop were since the signal before, and since the warm-up.
import { appendFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const INTERVAL_MS = 10;
/** The signals before and at the end of the warm-up. */
const EARLY_SIGNALS = 2;

const file = new URL(import.meta.url).searchParams.get('file') ?? '';
const [recent, all] = [startMonitor(), startMonitor()];
let signals = 0;

process.on('SIGUSR2', () => {
  const line = {
    recent: delaysOf(recent),
    all: delaysOf(all),
    handles: process.getActiveResourcesInfo().length,
    heapBytes: process.memoryUsage().heapUsed,
  };
  recent.reset();
  signals += 1;
  if (signals <= EARLY_SIGNALS) all.reset();
  appendFileSync(file, `${JSON.stringify(line)}\n`);
});

function startMonitor() {
  const monitor = monitorEventLoopDelay({ resolution: INTERVAL_MS });
  monitor.enable();
  return monitor;
}

/** @param {import('node:perf_hooks').IntervalHistogram} monitor */
function delaysOf(monitor) {
  const late = (/** @type {number} */ nanoseconds) => Math.max(0, nanoseconds / 1e6 - INTERVAL_MS);
  return { p99: late(monitor.percentile(99)), max: late(monitor.max) };
}
