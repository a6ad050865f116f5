import { execFile } from 'node:child_process';
import { codeOf } from '../lib/error-code.ts';

/** How a program ended. `output` is everything it printed, errors included. */
export type ProgramEnd =
  | { kind: 'exited'; code: number; output: string }
  | { kind: 'killed'; signal: string }
  | { kind: 'not_started'; code: string }
  | { kind: 'too_much_output' };

/** More than some thousand processes on sixteen cards need. */
const MAX_BYTES = 1024 * 1024;

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
        resolve(endOf(error, stdout + stderr));
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
      resolve({ kind: 'not_started', code: codeOf(error) });
    }
  });
}

function endOf(error: (Error & { code?: unknown; signal?: unknown }) | null, output: string): ProgramEnd {
  if (error === null) return { kind: 'exited', code: 0, output };
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return { kind: 'too_much_output' };
  if (typeof error.code === 'number') return { kind: 'exited', code: error.code, output };
  if (error.signal) return { kind: 'killed', signal: String(error.signal) };
  return { kind: 'not_started', code: String(error.code) };
}
