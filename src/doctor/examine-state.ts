import { accessSync, constants, copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createStateFile } from '../state/state-file.ts';
import type { StateEvidence } from './evidence.ts';

/**
 * Tries what the service will do with the state file, on a copy in a folder of its own beside it, which is
 * removed again. The file itself is only read; `parts` says what it may hold.
 */
export function examineState(path: string, parts: Parameters<typeof createStateFile>[1]): StateEvidence {
  if (path === '') return { kind: 'not_kept' };
  const folder = dirname(path);
  const unwritable = (code: string, at = folder): StateEvidence => {
    return { kind: 'unwritable', path, folder: at, code, uid: process.getuid?.() };
  };
  if (look(path) === 'folder') return unwritable('EISDIR');
  const nearest = nearestThere(folder);
  const refusal = nearest.is === 'folder' ? writeRefusal(nearest.path) : nearest.is;
  if (refusal) return unwritable(refusal, nearest.path);
  // The service makes the folder; here, nothing is left behind.
  if (nearest.path !== folder) return writable(path, false);

  let trial: string;
  try {
    trial = mkdtempSync(`${path}.doctor-`);
  } catch (error) {
    return unwritable(codeOf(error));
  }
  try {
    const copy = join(trial, 'state');
    try {
      copyFileSync(path, copy);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return writable(path, false);
      if (codeOf(error) === 'ENOSPC') return unwritable('ENOSPC');
      return { kind: 'unreadable', path, code: codeOf(error) };
    }
    // The very reader of the service: it sets a damaged file aside, and that is the copy.
    return createStateFile(copy, parts).read().ok ? writable(path, true) : { kind: 'damaged', path };
  } finally {
    rmSync(trial, { recursive: true, force: true });
  }
}

function writable(path: string, exists: boolean): StateEvidence {
  return { kind: 'writable', path, exists };
}

/** The folder itself, or the nearest one above it that there is; `is` is a code when it is no folder. */
function nearestThere(folder: string): { path: string; is: string } {
  const is = look(folder);
  const above = dirname(folder);
  const climbs = (is === 'ENOENT' || is === 'ENOTDIR') && above !== folder;
  return climbs ? nearestThere(above) : { path: folder, is: is === 'file' ? 'ENOTDIR' : is };
}

/** `folder`, `file` for anything else, or the code of why that cannot be said. */
function look(path: string): string {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    return codeOf(error);
  }
}

function writeRefusal(folder: string): string | undefined {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
