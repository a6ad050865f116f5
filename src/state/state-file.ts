import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { codeOf } from '../lib/error-code.ts';
import { failed, ok, type Result } from '../lib/result.ts';

/** The parts that survive a restart, by name. A part is absent in a file older than the part. */
export type SavedState = { savedAt: number } & Readonly<Record<string, unknown>>;

/** How one part of the state file is called, and what is in it. */
export interface PartFormat<Saved = unknown> {
  name: string;
  schema: z.ZodType<Saved>;
}

/** A time in the state file, in milliseconds since the epoch, within the range of a Date. */
export const savedTime = z.number().min(0).max(8.64e15);

/**
 * Reads the state file; undefined when there is none yet. A file that does not match `parts` is renamed, not deleted.
 * Never throws: the fault is a text for the log.
 */
export function readState(
  path: string,
  parts: readonly PartFormat[],
): Result<SavedState | undefined, string> {
  try {
    const state = parseState(readFileSync(path, 'utf8'), parts);
    return state === undefined ? failed(setAside(path)) : ok(state);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ok(undefined);
    return failed(`cannot read ${path} (${codeOf(error)}): counters start at 0; check its owner and mode`);
  }
}

/** Replaces the state file as a whole: a crash leaves the old file or the new one. Never throws. */
export async function writeState(path: string, state: SavedState): Promise<Result<void, string>> {
  const partial = `${path}.partial`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const file = await open(partial, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify({ version: 1, ...state }));
      await file.sync(); // Otherwise a power failure may leave an empty file with the new name.
    } finally {
      await file.close();
    }
    await rename(partial, path);
    return ok(undefined);
  } catch (error) {
    await unlink(partial).catch(() => {});
    return failed(
      `cannot write ${path} (${codeOf(error)}): counters start at 0 after a restart; check its owner and mode`,
    );
  }
}

/** Undefined for a text that is damaged, of another version, or does not match `parts`. */
export function parseState(text: string, parts: readonly PartFormat[]): SavedState | undefined {
  const optional = parts.map(({ name, schema }) => [name, schema.optional()] as const);
  const schema = z.object({
    version: z.literal(1),
    savedAt: savedTime,
    ...Object.fromEntries(optional),
  });
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Keeps the damaged file under another name. */
function setAside(path: string): string {
  const aside = `${path}.damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  try {
    renameSync(path, aside);
    return `${path} is damaged or of another version: renamed to ${aside}; counters start at 0`;
  } catch (error) {
    return `${path} is damaged and cannot be renamed (${codeOf(error)}): counters start at 0`;
  }
}
