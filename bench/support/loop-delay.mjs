// Loaded into a process by `--import`: at each SIGUSR2 it appends a line of JSON to the file in its query, with how late
// timers of its event loop were since the signal before, and since the warm-up. Linux only.
import { appendFileSync, openSync, readSync } from 'node:fs';
import { createHistogram } from 'node:perf_hooks';

const INTERVAL_MS = 10;
/** The signals before and at the end of the warm-up. */
const EARLY_SIGNALS = 2;

const file = new URL(import.meta.url).searchParams.get('file') ?? '';
// How long the main thread ran and how long it waited for a CPU, in nanoseconds.
const schedule = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
const buffer = Buffer.alloc(100);
const [recent, all] = [createDelays(), createDelays()];
let [signals, lastAt, lastWaited] = [0, performance.now(), waitedMs()];

setInterval(() => {
  const [now, waited] = [performance.now(), waitedMs()];
  const late = now - lastAt - INTERVAL_MS;
  for (const delays of [recent, all]) delays.record(late, late - (waited - lastWaited));
  [lastAt, lastWaited] = [now, waited];
}, INTERVAL_MS).unref();

process.on('SIGUSR2', () => {
  const line = {
    recent: recent.read(),
    all: all.read(),
    handles: process.getActiveResourcesInfo().length,
    heapBytes: process.memoryUsage().heapUsed,
  };
  recent.reset();
  signals += 1;
  if (signals <= EARLY_SIGNALS) all.reset();
  appendFileSync(file, `${JSON.stringify(line)}\n`);
});

function createDelays() {
  const [delay, own] = [createHistogram(), createHistogram()];
  const microseconds = (/** @type {number} */ ms) => Math.max(1, Math.round(ms * 1000));
  return {
    /** @param {number} late milliseconds @param {number} busy of these, without the wait for a CPU */
    record(late, busy) {
      delay.record(microseconds(late));
      own.record(microseconds(busy));
    },
    read: () => ({
      p99: delay.percentile(99) / 1000,
      ownP99: own.percentile(99) / 1000,
      ownMax: own.max / 1000,
    }),
    reset() {
      delay.reset();
      own.reset();
    },
  };
}

function waitedMs() {
  const length = readSync(schedule, buffer, 0, buffer.length, 0);
  return Number(buffer.toString('latin1', 0, length).split(' ')[1]) / 1e6;
}
