import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../lib/error-code.ts';
import type { Entry } from './audit-entry.ts';

/** An append-only file of JSON lines. */
export interface AuditFile {
  /** Never throws; entries are written in the order in which they are handed in. */
  append(entry: Entry): void;
  /** Whether the last write succeeded; undefined before the first. */
  succeeded(): boolean | undefined;
  /** Resolves when everything that was handed in is written, or could not be. */
  stop(): Promise<void>;
}

/**
 * Opens the file anew for every line: whoever rotates it by renaming finds the next line in a new file, without
 * a signal. `failed` is told of the first write that fails after one that succeeded, with what to do.
 */
export function createAuditFile(path: string, failed: (why: string) => void): AuditFile {
  let writing = Promise.resolve();
  let succeeded: boolean | undefined;

  async function write(line: string): Promise<void> {
    try {
      await mkdir(dirname(path), { recursive: true });
      await appendFile(path, line, { mode: 0o640 });
      succeeded = true;
    } catch (error) {
      const code = codeOf(error);
      if (succeeded !== false) failed(`${path} cannot be written (${code}): check its owner, mode and disk`);
      succeeded = false;
    }
  }

  return {
    append(entry) {
      const line = `${JSON.stringify(entry)}\n`;
      writing = writing.then(() => write(line));
    },
    succeeded: () => succeeded,
    stop: () => writing,
  };
}
