import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { failed, ok, type Result } from '../lib/result.ts';

/** What survives a restart. Times in milliseconds since the epoch. */
export type SavedState = z.infer<typeof savedState>;

/** No later than what a Date can hold: a damaged number must not be found out by whoever prints it. */
const time = z.number().min(0).max(8.64e15);

const savedState = z.object({
  version: z.literal(1),
  savedAt: time,
  counters: z.array(
    z.object({ name: z.string(), labels: z.record(z.string(), z.string()), value: z.number().nonnegative() }),
  ),
  lastUnloads: z.array(
    z.object({
      router: z.string(),
      model: z.string(),
      at: time,
      reason: z.enum(['requested', 'external', 'evicted', 'crashed']),
    }),
  ),
  /** Absent in files of before there were holds. */
  holds: z
    .array(
      z.object({
        router: z.string(),
        since: time,
        until: time,
        reason: z.string(),
        by: z.string(),
        enforce: z.boolean(),
      }),
    )
    .optional(),
});

/** The state file. `read` sets a damaged one aside; no call throws. */
export interface StateFile {
  /** Undefined when there is none yet; a fault, for the log, when there was one that could not be used. */
  read(): Result<SavedState | undefined, string>;
  /** Whole or not at all: what is read later is one complete state. */
  write(state: Omit<SavedState, 'version'>): Promise<Result<void, string>>;
}

export function createStateFile(path: string): StateFile {
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
      const parsed = parse(text);
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

function parse(text: string): SavedState | undefined {
  try {
    return savedState.safeParse(JSON.parse(text)).data;
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

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
