import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { HOLDS } from '../hold/holds.ts';
import { LOANS } from '../hold/loans.ts';
import { codeOf } from '../lib/error-code.ts';
import { COUNTERS } from '../metrics/registry.ts';
import { LAST_UNLOADS } from '../models/store.ts';
import { parseState } from '../state/state-file.ts';
import { GUARDS } from '../unload/guards.ts';
import { OPERATIONS } from '../unload/registry.ts';
import { type CauseRow, type Finding, fail, findingsOf, fine, note, warn } from './finding.ts';

/** Findings about the files of the service, none of which is created or changed. */
export function diagnoseFiles({ state, audit }: Config): Finding[] {
  return [
    ...findingsOf('state', fileCauses('state', state.file, 'counters and holds are lost at a restart')),
    ...findingsOf('audit', fileCauses('audit', audit.file, 'operations are only in the log')),
  ];
}

/** `effect`: what it means when the file cannot be written. */
function fileCauses(part: 'state' | 'audit', path: string, effect: string): CauseRow[] {
  const folder = nearestFolder(path);
  const code = path === '' ? undefined : obstacleOf(part, path, folder);
  const exists = existsSync(path);
  return [
    note(`${part}_not_kept`, path === '', `${effect}: ${part}.file is not set`),
    fail(
      `${part}_unwritable`,
      code !== undefined,
      `${path} cannot be read or written (${code}): ${effect}`,
      repair(code, folder, `${part}.file`),
    ),
    warn(
      'state_damaged',
      part === 'state' && exists && code === undefined && isDamaged(path),
      `${path} is damaged, or of another version`,
      'Restore a backup of it, if there is one. Otherwise the service renames it at its next start, and counters begin at 0.',
    ),
    fine(true, `${path} can be ${exists ? 'written' : 'created'}`),
  ];
}

/** The audit file is appended to; the state file is read, and replaced by another in its folder. */
function obstacleOf(part: 'state' | 'audit', path: string, folder: string): string | undefined {
  if (!existsSync(path)) return refusalIn(folder);
  if (statSync(path).isDirectory()) return 'EISDIR';
  if (part === 'audit') return refusalOf(() => accessSync(path, constants.W_OK));
  return refusalOf(() => accessSync(path, constants.R_OK)) ?? refusalIn(folder);
}

const STATE_PARTS = [COUNTERS, LAST_UNLOADS, HOLDS, LOANS, OPERATIONS, GUARDS];

function isDamaged(path: string): boolean {
  return parseState(readFileSync(path, 'utf8'), STATE_PARTS) === undefined;
}

/** The folder of a path, or the nearest above it that exists: the service creates missing ones. */
function nearestFolder(path: string): string {
  const folder = dirname(path);
  return existsSync(folder) || folder === dirname(folder) ? folder : nearestFolder(folder);
}

/** The code of the error when a file is created in a folder; undefined when none. A trial finds a full disk too. */
function refusalIn(folder: string): string | undefined {
  return refusalOf(() => rmdirSync(mkdtempSync(join(folder, '.doctor-'))));
}

function refusalOf(attempt: () => void): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

/** What to do about an error of a file in `folder`; `option` names the file in the configuration. */
export function repair(code = '', folder: string, option: string): string {
  const remedies: Record<string, string> = {
    EISDIR: `It is a folder: set ${option} to the path of a file.`,
    ENOTDIR: `${folder} is a file, not a folder: correct ${option}.`,
    ENOSPC: `Free space in ${folder}: none is left.`,
    EROFS: `${folder} is read-only: mount a writable volume there, or change ${option}. With systemd: StateDirectory=llama-router-exporter, and ${option} in that folder.`,
  };
  const user = `the user of the service (user ID here: ${process.getuid?.()})`;
  return (
    remedies[code] ??
    `Make ${folder} and the file in it writable for ${user}. To see the mode: ls -ld ${folder}`
  );
}
