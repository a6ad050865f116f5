import { spawn } from 'node:child_process';
import { until } from './until.ts';

/** A program in a terminal of its own, as a person uses it. */
export interface TerminalSession {
  /** Types: `\r` is Enter, `\u0003` Ctrl-C, `\u001a` Ctrl-Z. */
  type(keys: string): void;
  /** All that the terminal has shown. */
  shown(): string;
  /** Resolves when the terminal shows this, since the last call. */
  untilShown(pattern: RegExp, timeoutMs?: number): Promise<void>;
  /** The window is closed. */
  hangUp(): void;
  /** Resolves to the exit code of the program. */
  ended: Promise<number | null>;
}

/** Runs a command line in a new terminal, with `script` of util-linux. */
export function startInTerminal(command: string, env: NodeJS.ProcessEnv): TerminalSession {
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  let seen = 0;
  child.stdout.on('data', (data) => {
    text += data;
  });
  return {
    type: (keys) => void child.stdin.write(keys),
    shown: () => text,
    async untilShown(pattern, timeoutMs = 20_000) {
      const found = await until(
        `${pattern} in the terminal`,
        () => pattern.exec(text.slice(seen)) ?? undefined,
        { timeoutMs },
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}. It shows:\n${text}`);
      });
      seen += found.index + found[0].length;
    },
    hangUp: () => void child.kill('SIGKILL'),
    ended: new Promise((resolve) => child.on('close', resolve)),
  };
}
