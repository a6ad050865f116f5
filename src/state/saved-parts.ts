import { z } from 'zod';
import { savedHold } from '../hold/hold.ts';
import { savedCounter } from '../metrics/counters.ts';
import { savedUnload } from '../models/store.ts';
import { guardRecord } from '../unload/guards.ts';
import { operation } from '../unload/report.ts';

/** The parts of the state file, and what each looks like. A part that is added is absent in older files. */
export const SAVED_PARTS = {
  counters: z.array(savedCounter),
  lastUnloads: z.array(savedUnload),
  holds: z.array(savedHold),
  operations: z.array(operation),
  guards: z.array(guardRecord),
};

export type SavedParts = { [Name in keyof typeof SAVED_PARTS]: z.infer<(typeof SAVED_PARTS)[Name]> };
