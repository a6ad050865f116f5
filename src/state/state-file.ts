import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { codeOf, fileRemedy } from '../lib/error-code.ts';
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

/** An incomplete file that is older than this was left by a process that was killed. */
const ABANDONED_MS = 60_000;

export type StateFile = ReturnType<typeof createStateFile>;

/** The state file of one process. No method throws: a fault is a text for the log. */
export function createStateFile(path: string, parts: readonly PartFormat[]) {
  // Of its own, because another process may write at the same time.
  const partial = `${path}.partial-${randomBytes(4).toString('hex')}`;
  /** The file that was last read, written or seen here. */
  let known: string | undefined;

  return {
    /** Reads the file; undefined when there is none yet. A file that does not match `parts` is renamed, not deleted. */
    read(): Result<SavedState | undefined, string> {
      removeAbandoned(path);
      try {
        known = versionOf(statSync(path));
        const state = parseState(readFileSync(path, 'utf8'), parts);
        return state === undefined ? failed(setAside(path)) : ok(state);
      } catch (error) {
        const code = codeOf(error);
        if (code === 'ENOENT') return ok(undefined);
        return failed(`cannot read ${path} (${code}): counters start at 0; ${fileRemedy(code)}`);
      }
    },
    /**
     * Replaces the file as a whole: a crash leaves the old file or the new one. A file that another process has written
     * since is left alone once: if it stays unchanged, that process is gone.
     */
    async write(state: SavedState): Promise<Result<void, string>> {
      try {
        const found = await stat(path).then(versionOf, () => undefined);
        if (found !== undefined && found !== known) {
          known = found;
          return failed(
            `another process writes ${path}: give each exporter its own state.file. This one saves nothing until the other ends`,
          );
        }
        await mkdir(dirname(path), { recursive: true });
        await replace(path, partial, JSON.stringify({ version: 1, ...state }));
        known = versionOf(await stat(path));
        return ok(undefined);
      } catch (error) {
        await unlink(partial).catch(() => {});
        const code = codeOf(error);
        return failed(
          `cannot write ${path} (${code}): counters start at 0 after a restart; ${fileRemedy(code)}`,
        );
      }
    },
  };
}

async function replace(path: string, partial: string, text: string): Promise<void> {
  const file = await open(partial, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync(); // Otherwise a power failure may leave an empty file with the new name.
  } finally {
    await file.close();
  }
  await rename(partial, path);
}

/** Another one for every write; not the inode, which some network file systems change. */
function versionOf({ mtimeMs, size }: { mtimeMs: number; size: number }): string {
  return `${mtimeMs} ${size}`;
}

function removeAbandoned(path: string): void {
  const folder = dirname(path);
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(`${basename(path)}.partial`)) continue;
      const file = join(folder, name);
      if (Date.now() - statSync(file).mtimeMs > ABANDONED_MS) unlinkSync(file);
    }
  } catch {
    // A folder that is missing or not writable is reported by what follows.
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
