import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from '../lib/error-code.ts';

/** Where a file is to be written. */
export type Place =
  /** Its folder is there and can be written. */
  | { kind: 'there' }
  /** Its folder is not there, but can be made. */
  | { kind: 'makeable' }
  | Obstacle;

/** Why it cannot be, by the code of the system, and at which folder. */
export interface Obstacle {
  kind: 'obstacle';
  folder: string;
  code: string;
  /** Of the user that asks. */
  uid: number | undefined;
}

/** Looks whether a file can be made or replaced at this path; changes nothing. */
export function examinePlace(path: string): Place {
  const folder = dirname(path);
  if (look(path) === 'folder') return obstacle('EISDIR', folder);
  const nearest = nearestThere(folder);
  const refusal = nearest.is === 'folder' ? refusalOf(nearest.path) : nearest.is;
  if (refusal) return obstacle(refusal, nearest.path);
  return { kind: nearest.path === folder ? 'there' : 'makeable' };
}

export function obstacle(code: string, folder: string): Obstacle {
  return { kind: 'obstacle', folder, code, uid: process.getuid?.() };
}

/** Whether this user may write to what is there; else the code of why not. */
export function refusalOf(path: string): string | undefined {
  try {
    accessSync(path, statSync(path).isDirectory() ? constants.W_OK | constants.X_OK : constants.W_OK);
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

/** `folder`, `file` for anything else, or the code of why that cannot be said. */
export function look(path: string): string {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    return codeOf(error);
  }
}

/** The folder itself, or the nearest one above it that there is; `is` is a code when it is no folder. */
function nearestThere(folder: string): { path: string; is: string } {
  const is = look(folder);
  const above = dirname(folder);
  const climbs = (is === 'ENOENT' || is === 'ENOTDIR') && above !== folder;
  return climbs ? nearestThere(above) : { path: folder, is: is === 'file' ? 'ENOTDIR' : is };
}
