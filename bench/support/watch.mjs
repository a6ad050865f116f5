import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './ask.mjs';
import { median } from './figures.mjs';
import { usageOf } from './processes.mjs';

/**
 * Flags with which Node measures the delay of its event loop into a file of this folder, for `startWatch`.
 * @param {string} folder
 * @param {'watched' | 'idle'} name
 */
export function delayFlags(folder, name) {
  const module = new URL('./loop-delay.mjs', import.meta.url);
  module.searchParams.set('file', join(folder, name));
  return ['--import', module.href];
}

/** @typedef {{ p99: number, max: number }} Delays milliseconds */
/** `all` is since the end of the warm-up. */
/** @typedef {{ recent: Delays, all: Delays, handles: number, heapBytes: number }} Inside */
/** @typedef {ReturnType<typeof sampleOf>} Sample */
/** @typedef {Awaited<ReturnType<Awaited<ReturnType<typeof startWatch>>['period']>>} Period */

/**
 * Watches a process that was started with `delayFlags`, and an idle one.
 * @param {number} pid
 * @param {string} folder
 */
export async function startWatch(pid, folder) {
  const idler = spawn(
    process.execPath,
    [...delayFlags(folder, 'idle'), '-e', 'process.stdin.resume()'],
    // It ends with us.
    { stdio: ['pipe', 'ignore', 'ignore'] },
  );
  await sleep(1000);
  const samples = [sampleOf(pid)];
  const sampling = setInterval(() => samples.push(sampleOf(pid)), 1000);
  let [periods, beganAt] = [0, performance.now()];

  return {
    sample: () => sampleOf(pid),
    /** The median between two moments. */
    residentBytes: (/** @type {number} */ from, /** @type {number} */ to) =>
      median(samples.filter(({ at }) => at >= from && at <= to).map(({ residentBytes }) => residentBytes)),
    /** What was since the call before. */
    async period() {
      periods += 1;
      const [inside, idle] = await Promise.all([
        ask(pid, join(folder, 'watched'), periods),
        ask(/** @type {number} */ (idler.pid), join(folder, 'idle'), periods),
      ]);
      samples.push(sampleOf(pid));
      const taken = samples.filter(({ at }) => at >= beganAt);
      const [first, last] = /** @type {[Sample, Sample]} */ ([taken[0], taken.at(-1)]);
      beganAt = last.at;
      const seconds = (last.at - first.at) / 1000;
      return {
        inside,
        idle,
        seconds,
        cpuPercent: (100 * (last.cpuSeconds - first.cpuSeconds)) / seconds,
        residentBytes: median(taken.map(({ residentBytes }) => residentBytes)),
        descriptors: median(taken.map(({ descriptors }) => descriptors)),
      };
    },
    stop() {
      clearInterval(sampling);
      idler.kill();
    },
  };
}

/**
 * The line that a process appends to its file when it is asked for the n-th time.
 * @param {number} pid
 * @param {string} file
 * @param {number} turn
 * @returns {Promise<Inside>}
 */
async function ask(pid, file, turn) {
  process.kill(pid, 'SIGUSR2');
  const line = () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n')[turn - 1] : undefined);
  const whole = await until(`what process ${pid} says of itself`, () => line()?.endsWith('}') && line());
  return JSON.parse(/** @type {string} */ (whole));
}

/** @param {number} pid */
function sampleOf(pid) {
  return {
    at: performance.now(),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    ...usageOf(pid),
  };
}
