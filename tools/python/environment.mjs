// Python environments for tests in the cache, one per list of packages.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cache } from '../install-real-servers/places.mjs';
import { aptInstall, Missing, run, succeeds } from '../install-real-servers/shell.mjs';

/**
 * Returns the `bin` folder of an environment with the packages in the file, installed with `pipArguments`. Throws `Missing`
 * with advice if that is impossible.
 */
export function pythonEnvironment(name, requirements, pipArguments = []) {
  const folder = join(cache, 'python', name);
  const wanted = packagesOf(requirements, pipArguments);
  if (!isInstalled(folder, wanted)) {
    console.error(`Installing the Python packages of ${name}…`);
    mkdirSync(join(cache, 'python'), { recursive: true });
    // Tests that run at the same time may want the same environment.
    const lock = join(cache, 'python/.lock');
    run('flock', [
      lock,
      process.execPath,
      fileURLToPath(import.meta.url),
      folder,
      requirements,
      ...pipArguments,
    ]);
  }
  return join(folder, 'bin');
}

/** @param {string} folder @param {string} requirements @param {string[]} pipArguments */
function install(folder, requirements, ...pipArguments) {
  const { command, version } = python();
  const wanted = packagesOf(requirements, pipArguments);
  if (isInstalled(folder, wanted)) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  if (!succeeds(command, ['-m', 'venv', folder])) {
    // Debian has it in a separate package.
    aptInstall([`python${version}-venv`]);
    run(command, ['-m', 'venv', folder]);
  }
  const quietly = ['--quiet', '--disable-pip-version-check', '--no-cache-dir', ...pipArguments];
  run(join(folder, 'bin/python'), ['-m', 'pip', 'install', ...quietly, '--requirement', requirements]);
  writeFileSync(join(folder, STAMP), wanted);
}

const STAMP = '.packages';

/** @param {string} folder @param {string} wanted */
function isInstalled(folder, wanted) {
  const stamp = join(folder, STAMP);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
}

/** @param {string} requirements @param {string[]} pipArguments */
function packagesOf(requirements, pipArguments) {
  return createHash('sha256')
    .update(`${python().version}\n${pipArguments.join(' ')}\n${readFileSync(requirements)}`)
    .digest('hex');
}

/** Versions that Open WebUI supports. */
const VERSIONS = ['3.12', '3.11'];

function python() {
  const found = lookForPython();
  if (found) return found;
  aptInstall(['python3', 'python3-venv']);
  const installed = lookForPython();
  if (installed) return installed;
  throw new Missing(`Open WebUI's functions need Python ${VERSIONS.join(' or ')}, which is not installed.`);
}

function lookForPython() {
  for (const command of [...VERSIONS.map((version) => `python${version}`), 'python3']) {
    const asked = spawnSync(command, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], {
      encoding: 'utf8',
    });
    const version = asked.status === 0 ? asked.stdout.trim() : '';
    if (VERSIONS.includes(version)) return { command, version };
  }
  return undefined;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder = '', requirements = '', ...pipArguments] = process.argv.slice(2);
  install(folder, requirements, ...pipArguments);
}
