// Runs programs for the installer.
import { spawnSync } from 'node:child_process';

/** Something that the end-to-end tests need cannot be installed. The message says what to do. */
export class Missing extends Error {
  /** @param {string} message @param {ErrorOptions} [options] */
  constructor(message, options) {
    super(`Cannot run the end-to-end tests: ${message}`, options);
    this.name = 'Missing';
  }
}

/** @param {string} what */
export function requireRoot(what) {
  if (process.getuid?.() !== 0)
    throw new Missing(`${what}, which needs root. Run them as root, or in a container.`);
}

/** Whether the program exists and exits with 0. @param {string} command @param {readonly string[]} args */
export function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/**
 * Returns the program's output; throws `Missing` with its end if it fails.
 * @param {string} command @param {readonly string[]} args @param {NodeJS.ProcessEnv} env
 */
export function run(command, args, env = {}) {
  const done = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C', ...env },
  });
  if (done.status === 0) return done.stdout;
  const said = done.error?.message ?? `${done.stdout}${done.stderr}`.trim().split('\n').slice(-20).join('\n');
  throw new Missing(
    `\`${[command, ...args].join(' ')}\` failed (${done.signal ?? `exit code ${done.status}`}). It said:\n${said}`,
  );
}

/** Installs Debian packages from the machine's own archive, without starting any service. @param {readonly string[]} packages */
export function aptInstall(packages) {
  if (!succeeds('apt-get', ['--version'])) {
    throw new Missing(
      `there is no apt-get here to install ${packages.join(', ')} with. Use Debian 12 or newer.`,
    );
  }
  console.error(`Installing ${packages.join(', ')} (apt-get)…`);
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
  const patient = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3'];
  run('apt-get', ['update', ...patient], quiet);
  run('apt-get', ['install', '--yes', '--no-install-recommends', ...patient, ...packages], quiet);
}
