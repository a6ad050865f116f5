import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { sidRoot } from '../tools/install-real-servers/places.mjs';
import { scrape, until } from './support/ask.mjs';
import { median, megabytes, table } from './support/figures.mjs';
import { flag } from './support/flags.mjs';
import { freePort } from './support/free-port.mjs';
import { startModule } from './support/processes.mjs';

export const usage =
  'install: seconds from nothing to the first scrape that has the router, and disk space, for each way to install.';

export const flags = {
  files: flag(
    '',
    'folder that `npm run release` filled; the files are on this machine, so no download takes time',
  ),
  rounds: flag(5, 'installations of each, in turn, each into an empty folder'),
};

/** @typedef {import('./support/flags.mjs').ValuesOf<typeof flags>} Flags */

const NAME = 'llama-router-exporter';
/** For npm; the name of the chart has no digit there. */
const PACKAGE = new RegExp(`^${NAME}-\\d[^-]*\\.tgz$`);

/** @param {string} ending */
function linuxFile(ending) {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  return new RegExp(`^${NAME}_.+_linux_${architecture}\\.${ending.replace('.', '\\.')}$`);
}

/** Installs a package in a copy of a Debian root and starts the program there. */
const IN_DEBIAN = `
  mkdir "$3/upper" "$3/work" "$3/root"
  mount -t overlay overlay -o "lowerdir=$2,upperdir=$3/upper,workdir=$3/work" "$3/root"
  mount --rbind /proc "$3/root/proc"
  cp "$1" "$3/root/package.deb"
  chroot "$3/root" dpkg --install /package.deb >/dev/null
  rm "$3/root/package.deb"
  exec chroot "$3/root" ${NAME} "\${@:4}"`;

/**
 * The ways to install on this machine. Each runs what an operator runs, into an empty folder, and returns the command of the
 * program.
 * @typedef {{ name: string, file: RegExp, install: (file: string, into: string, registry: string) => string[] }} Way
 * @type {readonly Way[]}
 */
const WAYS = [
  {
    name: 'npm install -g',
    file: PACKAGE,
    install(_file, into, registry) {
      must('npm', 'install', '--global', ...npmFlags(into, registry), NAME);
      return [join(into, 'bin', NAME)];
    },
  },
  {
    name: 'npx',
    file: PACKAGE,
    install: (_file, into, registry) => ['npx', '--yes', ...npmFlags(into, registry), NAME],
  },
  {
    name: 'tar, with Node',
    file: PACKAGE,
    install(file, into) {
      must('tar', '-xzf', file, '-C', into);
      return ['node', join(into, 'package/dist/main.mjs')];
    },
  },
  {
    name: 'single executable',
    file: linuxFile('tar.gz'),
    install(file, into) {
      must('tar', '-xzf', file, '-C', into, '--strip-components=1');
      return [join(into, NAME)];
    },
  },
  {
    name: '.deb, in the Debian of the tests',
    file: linuxFile('deb'),
    install: (file, into) => ['unshare', '--mount', 'bash', '-euc', IN_DEBIAN, 'bash', file, sidRoot, into],
  },
];

/** With the prefix, npx does not run the checkout. @param {string} into @param {string} registry */
const npmFlags = (into, registry) => [`--prefix=${into}`, `--cache=${into}/cache`, `--registry=${registry}`];

/** @param {Flags} flags */
export async function run(flags) {
  if (flags.files === '') throw new Error(`--files is missing\n${usage}`);
  const routers = await startModule('routers.mjs', { routers: 1, models: 10, loadSeconds: 1 });
  const registry = await startModule('registry.mjs', packageIn(flags.files));
  const names = readdirSync(flags.files);
  const isThere = (/** @type {Way} */ { file }) => names.some((name) => file.test(name));
  const missing = WAYS.filter((way) => !isThere(way)).map(({ name }) => name);
  if (missing.length > 0) console.log(`${flags.files} has no file for: ${missing.join('; ')}`);
  const results = WAYS.filter(isThere).map((way) => ({ way, runs: /** @type {Run[]} */ ([]) }));
  for (let round = 0; round < flags.rounds; round += 1) {
    for (const { way, runs } of results) {
      const file = fileIn(flags.files, way.file);
      const into = mkdtempSync(join(tmpdir(), `${NAME}-install-`));
      runs.push(await measure(way, file, into, registry.ready.url, routers.ready.urls[0]));
      rmSync(into, { recursive: true, force: true });
    }
  }
  await registry.stop();
  await routers.stop();
  const rows = results.map(({ way, runs }) => {
    const seconds = runs.map((each) => each.seconds);
    return [
      way.name,
      median(seconds).toFixed(2),
      Math.max(...seconds).toFixed(2),
      megabytes(runs[0]?.bytes ?? 0),
    ];
  });
  console.log(table(['installed by', 'first scrape after, s (median)', 'longest, s', 'on disk, MB'], rows));
}

/** @typedef {{ seconds: number, bytes: number }} Run */

/** @param {string} folder @param {RegExp} pattern */
function fileIn(folder, pattern) {
  const name = readdirSync(folder).find((each) => pattern.test(each));
  if (name === undefined) throw new Error(`${folder} has no file ${pattern}: fill it with npm run release`);
  return resolve(folder, name);
}

/** @param {string} folder */
function packageIn(folder) {
  const tarball = fileIn(folder, PACKAGE);
  return { tarball, manifest: JSON.parse(must('tar', '-xzOf', tarball, 'package/package.json')) };
}

/**
 * @param {Way} way @param {string} file @param {string} into @param {string} registry @param {string} router
 * @returns {Promise<Run>}
 */
async function measure(way, file, into, registry, router) {
  const port = await freePort();
  const startedAt = performance.now();
  const [command = '', ...args] = way.install(file, into, registry);
  const flags = ['serve', `--router=${router}`, `--web.listen-address=127.0.0.1:${port}`];
  // In a process group of its own: npx runs the program as a grandchild.
  const child = spawn(command, [...args, ...flags], { stdio: 'ignore', detached: true });
  const ended = once(child, 'exit');
  try {
    const isThere = () => {
      if (child.exitCode !== null) throw new Error(`${way.name}: the exporter ended with ${child.exitCode}`);
      return hasRouter(port);
    };
    await until(`${way.name} to have the router`, isThere, { everyMs: 5, withinMs: 300_000 });
    const seconds = (performance.now() - startedAt) / 1000;
    return { seconds, bytes: Number(must('du', '--summarize', '--bytes', into).split('\t')[0]) };
  } finally {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid);
    await ended;
  }
}

/** @param {number} port */
async function hasRouter(port) {
  return /^llama_router_up\{.*\} 1$/m.test(await scrape(port).catch(() => ''));
}

/** What a program prints; throws if it fails. @param {string} command @param {string[]} args */
function must(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} failed:\n${stderr}`);
  return stdout;
}
