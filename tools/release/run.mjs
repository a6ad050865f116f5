import { spawnSync } from 'node:child_process';

/**
 * Runs a program and returns its output; throws with its end if it fails.
 * @param {string} command @param {readonly string[]} args @param {{ env?: Record<string, string>, cwd?: string }} options
 */
export function run(command, args, { env, cwd } = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    cwd,
    env: { ...process.env, LC_ALL: 'C', ...env },
  });
  if (status === 0) return stdout;
  const said = error?.message ?? `${stdout}${stderr}`.trim().split('\n').slice(-20).join('\n');
  throw new Error(
    `\`${[command, ...args].join(' ')}\` failed (${signal ?? `exit code ${status}`}):\n${said}`,
  );
}
