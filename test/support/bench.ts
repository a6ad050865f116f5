import { execFile } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** A bench that has not ended by then hangs. */
const TIMEOUT_MS = 840_000;

/** Runs a bench as `npm run bench -- NAME FLAGS` does; the end-to-end tests have built its modules. */
export function runBench(
  name: string,
  flags: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | string; out: string; err: string }> {
  const options = { cwd: ROOT, timeout: TIMEOUT_MS, env: { ...process.env, ...env } };
  return new Promise((resolve) => {
    execFile(process.execPath, ['bench/run.mjs', name, ...flags], options, (error, out, err) =>
      resolve({ code: error?.code ?? error?.signal ?? 0, out, err }),
    );
  });
}
