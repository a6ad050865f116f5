import { formatDuration } from '../lib/duration.ts';
import type { Terminal } from './terminal.ts';

/** A person is told that we still wait; a pipe is not. */
const FIRST_AFTER_MS = 1000;
const CLEAR_LINE = '\r\u001B[K';

/** A line on an interactive terminal that says for how long we have been waiting, drawn over itself. */
export function showWaiting(terminal: Terminal): { clear(): void; stop(): void } {
  if (!terminal.isInteractive) return { clear: () => {}, stop: () => {} };
  const startedAt = Date.now();
  const draw = () => {
    const waited = formatDuration(Math.round((Date.now() - startedAt) / 1000));
    terminal.err(`${CLEAR_LINE}waiting for models to be gone… ${waited}`);
  };
  const timer = setInterval(draw, FIRST_AFTER_MS);
  const clear = () => terminal.err(CLEAR_LINE);
  return {
    clear,
    stop() {
      clearInterval(timer);
      clear();
    },
  };
}
