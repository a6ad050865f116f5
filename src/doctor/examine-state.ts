import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { savedHold } from '../hold/hold.ts';
import { codeOf } from '../lib/error-code.ts';
import { savedCounter } from '../metrics/registry.ts';
import { savedUnload } from '../models/store.ts';
import { createStateFile } from '../state/state-file.ts';
import { guardRecord } from '../unload/guards.ts';
import { operation } from '../unload/report.ts';
import type { StateEvidence } from './evidence.ts';
import { examinePlace, type Obstacle, obstacle } from './place.ts';

/** What each part of the state file holds, as its owner defines it. */
const STATE_SCHEMAS = {
  counters: z.array(savedCounter),
  lastUnloads: z.array(savedUnload),
  holds: z.array(savedHold),
  operations: z.array(operation),
  guards: z.array(guardRecord),
};

/**
 * Tries what the service will do with the state file, on a copy in a folder of its own beside it, which is
 * removed again. The file itself is only read.
 */
export function examineState(path: string): StateEvidence {
  if (path === '') return { kind: 'not_kept' };
  const place = examinePlace(path);
  if (place.kind === 'obstacle') return unwritable(path, place);
  // The service makes the folder; here, nothing is left behind.
  if (place.kind === 'makeable') return writable(path, false);

  let trial: string;
  try {
    trial = mkdtempSync(`${path}.doctor-`);
  } catch (error) {
    return unwritable(path, obstacle(codeOf(error), dirname(path)));
  }
  try {
    const copy = join(trial, 'state');
    try {
      copyFileSync(path, copy);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return writable(path, false);
      if (codeOf(error) === 'ENOSPC') return unwritable(path, obstacle('ENOSPC', dirname(path)));
      return { kind: 'unreadable', path, code: codeOf(error) };
    }
    // The very reader of the service: it sets a damaged file aside, and that is the copy.
    return createStateFile(copy, STATE_SCHEMAS).read().ok ? writable(path, true) : { kind: 'damaged', path };
  } finally {
    rmSync(trial, { recursive: true, force: true });
  }
}

function writable(path: string, exists: boolean): StateEvidence {
  return { kind: 'writable', path, exists };
}

function unwritable(path: string, { folder, code, uid }: Obstacle): StateEvidence {
  return { kind: 'unwritable', path, folder, code, uid };
}
