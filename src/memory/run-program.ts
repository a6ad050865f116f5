import { type ChildProcess, spawn } from 'node:child_process';
import { codeOf } from '../lib/error-code.ts';

/** How a program ended. `output` is all it printed, errors included, cut at a bound. */
export type ProgramEnd =
  | { kind: 'exited'; code: number; output: string }
  | { kind: 'killed'; signal: string; output: string }
  | { kind: 'not_started'; code: string }
  | { kind: 'too_much' };

/** What no honest answer exceeds: some thousand processes on sixteen cards. */
const MOST_BYTES = 1024 * 1024;

/** What a program wrote before it ended is read within this time. */
const PIPES_MS = 200;

/**
 * Runs a program without a shell and resolves when it is gone. It is killed (SIGKILL: what hangs in a driver heeds
 * no other) when the signal aborts, or when it prints without end. One that hangs in the kernel outlives even that:
 * then this does not resolve before it does.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    let program: ChildProcess;
    try {
      program = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], shell: false, windowsHide: true });
    } catch (error) {
      return resolve({ kind: 'not_started', code: codeOf(error) });
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    program.on('error', (error) => {
      if (program.pid === undefined) end({ kind: 'not_started', code: codeOf(error) });
    });
    program.stdout?.on('data', take);
    program.stderr?.on('data', take);
    program.on('close', finish);
    // A grandchild that keeps the pipe open would hold us up after the program has gone.
    program.on('exit', (code, killedBy) => setTimeout(finish, PIPES_MS, code, killedBy).unref());
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();

    function take(chunk: Buffer): void {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) kill();
      else chunks.push(chunk);
    }

    function kill(): void {
      // Node 20 signals process 0 for a program that could not be started: our whole process group.
      if (program.pid === undefined) return;
      program.kill('SIGKILL');
      program.unref(); // One that cannot be killed must not keep us from ending.
    }

    function finish(code: number | null, killedBy: NodeJS.Signals | null): void {
      if (program.pid === undefined) return;
      const output = Buffer.concat(chunks).toString('utf8');
      if (bytes > MOST_BYTES) end({ kind: 'too_much' });
      else if (code === null) end({ kind: 'killed', signal: killedBy ?? 'unknown', output });
      else end({ kind: 'exited', code, output });
    }

    function end(how: ProgramEnd): void {
      signal.removeEventListener('abort', kill);
      resolve(how);
    }
  });
}
