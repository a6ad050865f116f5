import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * A module of bench/ in a process of its own; resolves when it has sent its first message, which it must send
 * when it is ready. It ends with us.
 * @param {string} module relative to bench/
 * @param {unknown} task the first message it receives
 */
export async function startModule(module, task) {
  const child = fork(fileURLToPath(new URL(`../${module}`, import.meta.url)), { serialization: 'advanced' });
  const ready = await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`${module} ended with ${code} before it was ready`)));
    child.send(/** @type {any} */ (task));
  });
  return {
    child,
    ready: /** @type {any} */ (ready),
    /** Sends a message and resolves with the next one from the module. @param {any} message @returns {Promise<any>} */
    ask(message) {
      const answer = once(child, 'message');
      child.send(message);
      return answer.then(([first]) => first);
    },
    stop: () => end(child),
  };
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
  await new Promise((resolve, reject) => {
    child.stderr.on('data', (chunk) => {
      log = (log + chunk).slice(-10_000);
      if (log.includes('msg=listening')) resolve(undefined);
    });
    child.once('exit', (code) => reject(new Error(`the exporter ended with ${code}:\n${log}`)));
  });
  process.once('exit', () => child.kill());
  const pid = /** @type {number} */ (child.pid);
  return { pid, stop: () => end(child) };
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
