import { formatDuration } from '../lib/duration.ts';

/** Where a command writes: results to `out`, everything else to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** `err` is a terminal: a line may be overwritten. */
  isInteractive: boolean;
}

export const systemTerminal: Terminal = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  isInteractive: process.stderr.isTTY === true,
};

// `list | head` closes the pipe early, which is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const CLEAR_LINE = '\r\u001B[K';

/** Shows on an interactive terminal, every second, how long the command has been waiting. */
export function showWaiting(terminal: Terminal): { clear(): void; stop(): void } {
  if (!terminal.isInteractive) return { clear: () => {}, stop: () => {} };
  const startedAt = performance.now();
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    terminal.err(`${CLEAR_LINE}waiting for models to unload… ${formatDuration(seconds)}`);
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
