import { type ExecFileException, execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { processEnvironment } from '../config/environment.ts';
import { codeOf } from '../lib/error-code.ts';
import { isAbsence } from './procfs.ts';

/** How a program ended. */
export interface ProgramEnd {
  stdout: string;
  stderr: string;
  /** It did not start, was killed or had an exit code other than 0. */
  error?: ExecFileException | undefined;
}

/** More than some thousand processes on sixteen cards need. */
const MAX_BYTES = 1024 * 1024;

/**
 * Whether a path, or a name in the folders of PATH, may be a program: false only if no such file exists. Starting a
 * missing one would cost ten times as much.
 */
export async function mayBeProgram(command: string): Promise<boolean> {
  const folders = command.includes('/') ? [''] : (processEnvironment().PATH ?? '').split(delimiter);
  for (const folder of folders) {
    const fault = await access(join(folder, command)).then(() => '', codeOf);
    if (!isAbsence(fault)) return true;
  }
  return false;
}

/**
 * Runs a program without a shell; resolves after it has ended. An abort kills it with SIGKILL, since a program that
 * hangs in a driver ignores other signals. One that hangs in the kernel ignores even that: the promise stays pending.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    const options = { maxBuffer: MAX_BYTES, killSignal: 'SIGKILL', windowsHide: true } as const;
    try {
      const program = execFile(command, args, options, (error, stdout, stderr) => {
        signal.removeEventListener('abort', kill);
        resolve({ stdout: stdout.trim(), stderr: stderr.trim(), error: error ?? undefined });
      });
      signal.addEventListener('abort', kill);
      if (signal.aborted) kill();

      function kill(): void {
        // Without a pid Node 20 would signal process 0: the exporter's own process group.
        if (program.pid === undefined) return;
        program.kill('SIGKILL');
        // A child of the program may keep the pipes open.
        program.stdout?.destroy();
        program.stderr?.destroy();
        program.unref(); // It may be unkillable; do not wait for it at the end.
      }
    } catch (error) {
      resolve({ stdout: '', stderr: '', error: error as ExecFileException });
    }
  });
}
