import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** A process that has not answered by then hangs. */
const ANSWER_MS = 120_000;

/**
 * A module of bench/ in a process of its own; resolves when it has sent its first message, which it must send
 * when it is ready. It ends with us.
 * @param {string} module relative to bench/
 * @param {unknown} task the first message it receives
 */
export async function startModule(module, task) {
  const child = fork(fileURLToPath(new URL(`../${module}`, import.meta.url)), { serialization: 'advanced' });
  /** @type {Promise<never>} */
  const ended = new Promise((_resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${module} ended with ${code} before it answered`)));
  });
  ended.catch(() => {});
  /** Sends a message and resolves with the next one from the module. @param {any} message @returns {Promise<any>} */
  const ask = (message) => {
    const answer = once(child, 'message').then(([first]) => first);
    child.send(message);
    return inTime(module, Promise.race([answer, ended]));
  };
  return { child, ready: await ask(task), ask, stop: () => end(child) };
}

/**
 * The exporter as an operator runs it; resolves when it listens.
 * @param {readonly string[]} flags
 * @param {readonly string[]} nodeFlags
 * @param {NodeJS.ProcessEnv} env
 */
export async function startExporter(flags, nodeFlags = [], env = {}) {
  const main = fileURLToPath(new URL('../../dist/main.mjs', import.meta.url));
  const child = spawn(process.execPath, [...nodeFlags, main, 'serve', ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env,
  });
  let log = '';
  const kill = () => child.kill();
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const listening = new Promise((resolve, reject) => {
    child.stderr.on('data', (chunk) => {
      log = (log + chunk).slice(-10_000);
      if (log.includes('msg=listening')) resolve(undefined);
    });
    child.once('exit', (code) => reject(new Error(`the exporter ended with ${code}:\n${log}`)));
  });
  await inTime('the exporter', listening);
  const pid = /** @type {number} */ (child.pid);
  return { pid, stop: () => end(child) };
}

/**
 * What the promise resolves to; throws if that takes too long.
 * @template T
 * @param {string} what
 * @param {Promise<T>} promise
 */
async function inTime(what, promise) {
  const ending = new AbortController();
  const late = sleep(ANSWER_MS, undefined, { signal: ending.signal }).then(() => {
    throw new Error(`${what} has not answered within ${ANSWER_MS / 1000} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    ending.abort();
  }
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<void>}
 */
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => {
    child.removeAllListeners('exit');
    child.once('exit', resolve);
    child.kill('SIGTERM');
  });
}

/** Variables from `NAME=value NAME="several values"`. @param {string} written */
export function variablesOf(written) {
  const pairs = written.matchAll(/(\w+)=(?:"([^"]*)"|(\S*))/g);
  return Object.fromEntries([...pairs].map(([, name, quoted, plain]) => [name, quoted ?? plain]));
}

/** Resident bytes of a Node process without a program, the floor for every program on Node. */
export async function emptyNodeBytes() {
  const child = spawn(process.execPath, ['-e', "setInterval(() => {}, 1000); console.log('started')"]);
  await once(child.stdout, 'data');
  const { residentBytes } = usageOf(/** @type {number} */ (child.pid));
  await end(child);
  return residentBytes;
}

/**
 * What Linux says of a process: resident bytes and seconds of CPU so far.
 * @param {number} pid
 */
export function usageOf(pid) {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  // Nanoseconds on the CPU, of every thread: `stat` counts in hundredths of a second only.
  const nanoseconds = tasksOf(pid).map((task) => Number(readFileSync(task, 'utf8').split(' ')[0]));
  return {
    residentBytes: Number(kilobytes) * 1024,
    cpuSeconds: nanoseconds.reduce((sum, each) => sum + each, 0) / 1e9,
  };
}

/** @param {number} pid */
function tasksOf(pid) {
  return readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}/schedstat`);
}
