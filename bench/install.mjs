import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, table } from './support/figures.mjs';
import { readFlags } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { startModule } from './support/processes.mjs';

export const usage = `install: seconds from the files of a release to the first scrape that has the router, for each way to install.
  --files ''            folder that tools/release.mjs filled; downloads do not count
  --rounds 5            installations of each, in turn, each into an empty folder`;

const TARBALL = /^llama-router-exporter-\d[^-]*\.tgz$/;

/**
 * The ways to install that need no other machine. Each gets a file of the release and an empty folder, and returns the
 * command of the program.
 * @type {readonly { name: string, file: RegExp, install: (file: string, into: string) => string[] }[]}
 */
const WAYS = [
  {
    name: 'npm install -g',
    file: TARBALL,
    install(file, into) {
      installWith('npm', 'install', '--global', `--prefix=${into}`, `--cache=${into}/cache`, file);
      return [join(into, 'bin/llama-router-exporter')];
    },
  },
  {
    name: 'npx',
    file: TARBALL,
    install: (file, into) => ['npx', '--yes', `--cache=${into}/cache`, file],
  },
  {
    name: 'single executable',
    file: new RegExp(`^llama-router-exporter.*-linux-${process.arch}$`),
    install(file, into) {
      const program = join(into, 'llama-router-exporter');
      copyFileSync(file, program);
      chmodSync(program, 0o755);
      return [program];
    },
  },
];

/** @param {readonly string[]} args */
export async function run(args) {
  const flags = readFlags(args, { files: '', rounds: 5 });
  if (flags.files === '') throw new Error(`--files is missing\n${usage}`);
  const files = readdirSync(flags.files);
  const routers = await startModule('routers.mjs', { routers: 1, models: 10, loadSeconds: 1 });
  const results = WAYS.map((way) => {
    const name = files.find((each) => way.file.test(each));
    return { way, file: name && resolve(flags.files, name), seconds: /** @type {number[]} */ ([]) };
  });
  for (let round = 0; round < flags.rounds; round += 1) {
    for (const { way, file, seconds } of results) {
      if (file !== undefined) seconds.push(await secondsToFirstScrape(way, file, routers.ready.urls[0]));
    }
  }
  await routers.stop();
  const rows = results.map(({ way, seconds }) =>
    seconds.length === 0
      ? [way.name, '-', '-']
      : [way.name, median(seconds).toFixed(2), Math.max(...seconds).toFixed(2)],
  );
  console.log(table(['installed by', 'first scrape after, s (median)', 'longest'], rows));
}

/** @param {typeof WAYS[number]} way @param {string} file @param {string} router */
async function secondsToFirstScrape(way, file, router) {
  const into = mkdtempSync(join(tmpdir(), 'llama-router-exporter-install-'));
  const port = await freePort();
  const startedAt = performance.now();
  const [command = '', ...args] = way.install(file, into);
  const flags = ['serve', `--router=${router}`, `--web.listen-address=127.0.0.1:${port}`];
  // In a process group of its own: npx runs the program as a grandchild.
  const child = spawn(command, [...args, ...flags], { stdio: 'ignore', detached: true });
  const ended = once(child, 'exit');
  try {
    while (!(await hasRouter(port))) {
      if (child.exitCode !== null) throw new Error(`${way.name}: the exporter ended with ${child.exitCode}`);
      await sleep(5);
    }
    return (performance.now() - startedAt) / 1000;
  } finally {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid);
    await ended;
    rmSync(into, { recursive: true, force: true });
  }
}

/** @param {number} port */
async function hasRouter(port) {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
  return /^llama_router_up\{.*\} 1$/m.test((await answer?.text()) ?? '');
}

/** @param {string} command @param {string[]} args */
function installWith(command, ...args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} failed:\n${stderr}`);
}
