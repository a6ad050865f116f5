import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { formatDuration } from '../lib/duration.ts';

/** Where a command writes: results to `out`, everything else to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** `err` is a terminal: a line may be overwritten. */
  isInteractive: boolean;
  /** Leaves the terminal in the state in which another program has left it. Nothing can be written after that. */
  leave?(): void;
}

const TERMINALS = [0, 1, 2].filter(isatty);

export const systemTerminal: Terminal = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  isInteractive: process.stderr.isTTY === true,
  // At its end, Node sets open terminals back to their state at the start: from the background, it would change the
  // terminal of the program in the foreground, and after a hang-up it aborts.
  leave: () => TERMINALS.forEach(closeSync),
};

// `list | head` closes the pipe early, which is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const CLEAR_LINE = '\r\u001B[K';

/** Shows on an interactive terminal, every second, how long the command has been waiting. */
export function showWaiting(
  terminal: Terminal,
  text = () => 'waiting for models to unload',
): { clear(): void; stop(): void } {
  if (!terminal.isInteractive) return { clear: () => {}, stop: () => {} };
  const startedAt = performance.now();
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    terminal.err(`${CLEAR_LINE}${text()}… ${formatDuration(seconds)}`);
  }, 1000);
  const clear = () => terminal.err(CLEAR_LINE);
  return {
    clear,
    stop() {
      clearInterval(timer);
      clear();
    },
  };
}
