import { accessSync, constants, mkdtempSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { HOLDS } from '../hold/holds.ts';
import { codeOf } from '../lib/error-code.ts';
import { COUNTERS } from '../metrics/registry.ts';
import { LAST_UNLOADS } from '../models/store.ts';
import { parseState } from '../state/state-file.ts';
import { GUARDS } from '../unload/guards.ts';
import { OPERATIONS } from '../unload/operations.ts';

/** Whether the service can use a file. `code` and `folder` say what is in the way. */
export interface FileEvidence {
  path: string;
  /** `new`: it does not exist, but can be created. */
  kind: 'unset' | 'new' | 'usable' | 'damaged' | 'unreadable' | 'unwritable';
  code: string;
  folder: string;
  /** The user that runs doctor. */
  uid: number | undefined;
}

const STATE_PARTS = [COUNTERS, LAST_UNLOADS, HOLDS, OPERATIONS, GUARDS];

/** Reads the state file as the service does, but leaves a damaged one in its place. */
export function examineStateFile(path: string): FileEvidence {
  if (path === '') return evidence(path, 'unset');
  const obstacle = obstacleTo(path);
  if (obstacle) return evidence(path, 'unwritable', obstacle);
  if (typeAt(dirname(path)) !== 'folder') return evidence(path, 'new');
  try {
    rmdirSync(mkdtempSync(`${path}.doctor-`)); // Fails when the disk is full.
  } catch (error) {
    return evidence(path, 'unwritable', { code: codeOf(error) });
  }
  try {
    const state = parseState(readFileSync(path, 'utf8'), STATE_PARTS);
    return evidence(path, state ? 'usable' : 'damaged');
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT' ? evidence(path, 'new') : evidence(path, 'unreadable', { code });
  }
}

/** Checks whether the audit file can be appended to, or created. An existing one needs no writable folder. */
export function examineAuditFile(path: string): FileEvidence {
  if (path === '') return evidence(path, 'unset');
  const exists = typeAt(path) === 'file';
  const code = exists ? refusalOf(path) : undefined;
  const obstacle = exists ? code && { code } : obstacleTo(path);
  return obstacle ? evidence(path, 'unwritable', obstacle) : evidence(path, exists ? 'usable' : 'new');
}

/** Checks whether the service can listen on a socket at this path, whose folder it does not create. */
export function examineSocketPath(path: string): FileEvidence {
  const type = typeAt(path);
  if (type === 'folder' || (type === 'file' && !statSync(path).isSocket())) {
    return evidence(path, 'unwritable', { code: 'ENOTSOCK' });
  }
  const folder = typeAt(dirname(path));
  const code = folder === 'folder' ? refusalOf(dirname(path)) : folder === 'file' ? 'ENOTDIR' : folder;
  return code === undefined ? evidence(path, 'new') : evidence(path, 'unwritable', { code });
}

function evidence(
  path: string,
  kind: FileEvidence['kind'],
  { code = '', folder = dirname(path) }: { code?: string; folder?: string } = {},
): FileEvidence {
  return { path, kind, code, folder, uid: process.getuid?.() };
}

/** Why a file cannot be created or replaced at this path, and the folder at fault. */
function obstacleTo(path: string): { code: string; folder: string } | undefined {
  let folder = dirname(path);
  if (typeAt(path) === 'folder') return { code: 'EISDIR', folder };
  // The service creates missing folders.
  while (['ENOENT', 'ENOTDIR'].includes(typeAt(folder)) && dirname(folder) !== folder)
    folder = dirname(folder);
  const type = typeAt(folder);
  const code = type === 'folder' ? refusalOf(folder) : type === 'file' ? 'ENOTDIR' : type;
  return code === undefined ? undefined : { code, folder };
}

/** The error code when this user may not write to the path. */
function refusalOf(path: string): string | undefined {
  try {
    accessSync(path, typeAt(path) === 'folder' ? constants.W_OK | constants.X_OK : constants.W_OK);
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

/** `folder`, `file` for anything else, or an error code. */
function typeAt(path: string): string {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    return codeOf(error);
  }
}
