import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { codeOf } from '../lib/error-code.ts';
import { failed, ok, type Result } from '../lib/result.ts';
import { savedTime } from '../lib/saved-time.ts';

/** What survives a restart, part by part; a part is absent in a file that is older than it. */
export type SavedState = { savedAt: number } & Readonly<Record<string, unknown>>;

/** The state file. `read` sets a damaged one aside; no call throws. */
export interface StateFile {
  /** Undefined when there is none yet; a fault, for the log, when there was one that could not be used. */
  read(): Result<SavedState | undefined, string>;
  /** Whole or not at all: what is read later is one complete state. */
  write(state: SavedState): Promise<Result<void, string>>;
}

/** `parts` says what each part looks like. */
export function createStateFile(path: string, parts: Readonly<Record<string, z.ZodType>>): StateFile {
  const optional = Object.entries(parts).map(([name, schema]) => [name, schema.optional()] as const);
  const savedState = z.object({
    version: z.literal(1),
    savedAt: savedTime,
    ...Object.fromEntries(optional),
  });
  return {
    read() {
      let text: string;
      try {
        text = readFileSync(path, 'utf8');
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return ok(undefined);
        return failed(
          `${path} cannot be read (${codeOf(error)}): counters start at 0; check its owner and mode`,
        );
      }
      const parsed = parse(text, savedState);
      return parsed ? ok(parsed) : failed(setAside(path));
    },
    async write(state) {
      const partial = `${path}.partial`;
      try {
        mkdirSync(dirname(path), { recursive: true });
        const file = await open(partial, 'w', 0o600);
        try {
          await file.writeFile(JSON.stringify({ version: 1, ...state }));
          await file.sync(); // Else a power cut may leave the new name on empty content.
        } finally {
          await file.close();
        }
        await rename(partial, path);
        return ok(undefined);
      } catch (error) {
        await unlink(partial).catch(() => {});
        return failed(
          `${path} cannot be written (${codeOf(error)}): counters will start at 0 after a restart`,
        );
      }
    },
  };
}

function parse(text: string, schema: z.ZodType<SavedState>): SavedState | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Nothing is lost: the damaged file stays beside the new one, for whoever wants to look. */
function setAside(path: string): string {
  const aside = `${path}.damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  try {
    renameSync(path, aside);
    return `${path} is damaged or of another version: set aside as ${aside}, counters start at 0`;
  } catch (error) {
    return `${path} is damaged and cannot be set aside (${codeOf(error)}): counters start at 0`;
  }
}
