import { closeSync, fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { formatDuration } from '../lib/duration.ts';
import { codeOf } from '../lib/error-code.ts';
import { EXIT } from './exit-codes.ts';

/** Where a command writes: results to `out`, everything else to `err`. */
export interface Terminal {
  out(text: string): void;
  /** False if the text could not be written, as on a full disk. */
  err(text: string): unknown;
  /** `err` is a terminal: a line may be overwritten. */
  isInteractive: boolean;
  /** Leaves the terminal in the state in which another program has left it. Nothing can be written after that. */
  leave?(): void;
}

const TERMINALS = [0, 1, 2].filter(isatty);

export const systemTerminal: Terminal = {
  out: (text) => process.stdout.write(text),
  err: isFile(process.stderr.fd)
    ? createFileWriter((bytes, at) => writeSync(process.stderr.fd, bytes, at))
    : writeToStream,
  isInteractive: process.stderr.isTTY === true,
  // At its end, Node sets open terminals back to their state at the start: from the background, it would change the
  // terminal of the program in the foreground, and after a hang-up it aborts.
  leave: () => TERMINALS.forEach(closeSync),
};

// `list | head` closes the pipe early, which is not an error.
process.stdout.on('error', (error) => {
  if (codeOf(error) === 'EPIPE') return;
  systemTerminal.err(`llama-router-exporter: the output cannot be written: ${error.message}\n`);
  process.exit(EXIT.notDone);
});

// A program that read the log may end; the exporter goes on without.
process.stderr.on('error', () => {});

function writeToStream(text: string): boolean {
  process.stderr.write(text);
  return !process.stderr.destroyed;
}

/** Node's stream to a file ends with the first write that fails, although a full disk may have space again. */
function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}

/**
 * Writes text to a file with `write`, which returns how many bytes it has written. If that fails in the middle of a line, the
 * next text begins on a new one.
 */
export function createFileWriter(
  write: (bytes: Uint8Array, at: number) => number,
): (text: string) => boolean {
  let isCut = false;
  return (text) => {
    const bytes = Buffer.from(isCut ? `\n${text}` : text);
    let at = 0;
    try {
      while (at < bytes.length) at += write(bytes, at);
    } catch {
      isCut ||= at > 0;
      return false;
    }
    isCut = false;
    return true;
  };
}

const CLEAR_LINE = '\r\u001B[K';

/** Shows on an interactive terminal, every second, how long the command has been waiting. */
export function showWaiting(terminal: Terminal, text: () => string): { clear(): void; stop(): void } {
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
