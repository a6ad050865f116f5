import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants as access, accessSync, existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { codeOf } from '../lib/error-code.ts';
import { EXIT } from './exit-codes.ts';
import type { Signals } from './signals.ts';

/** Where programs are looked up without PATH, as execvp does. */
const DEFAULT_PATH = '/usr/bin:/bin';

/** The exit code for a program that cannot be started; undefined when it most likely can. */
export function startFailure(program: string, path = DEFAULT_PATH): number | undefined {
  const files = program.includes('/')
    ? [program]
    : path.split(delimiter).map((folder) => join(folder === '' ? '.' : folder, program));
  const existing = files.filter((file) => existsSync(file));
  if (existing.length === 0) return EXIT.notFound;
  return existing.some(isExecutable) ? undefined : EXIT.notExecutable;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, access.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * Runs a program with the streams and the terminal of this process. Resolves to its exit code, to 128 and the number of
 * the signal that killed it, or to 126 or 127 when it cannot be started.
 */
export async function runToEnd(
  [program = '', ...args]: readonly string[],
  signals: Pick<Signals, 'passOn'>,
): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit' });
  signals.passOn((signal) => {
    const { pid, exitCode, signalCode } = child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(pid, signal);
    } catch {
      // It runs as another user, like sudo, or has just ended.
    }
  });
  try {
    const [code, signal] = await once(child, 'exit');
    return code ?? signalExit(signal);
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? EXIT.notFound : EXIT.notExecutable;
  } finally {
    signals.passOn(undefined);
  }
}

/** The exit code that shells use for a program killed by this signal. */
export function signalExit(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
