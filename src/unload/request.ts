import { z } from 'zod';
import type { WhenBusy } from '../config/when-busy.ts';
import { ONE_LINE } from '../lib/one-line.ts';

/** What sets an unload off: a person, or something that acts by itself. */
export const TRIGGERS = ['alertmanager', 'api', 'cli', 'page', 'policy'] as const;

export type Trigger = (typeof TRIGGERS)[number];

/** Nobody asked for it at that moment: guards may refuse it. */
export function isAutomatic(trigger: Trigger): boolean {
  return trigger === 'alertmanager' || trigger === 'policy';
}

/** Who asked, for the report and the audit. */
export const caller = z
  .object({
    name: z.string().meta({
      description: 'The name of a token or a user; loopback for somebody on this machine without either.',
    }),
    address: z.string().exactOptional().meta({ description: "The peer's address." }),
  })
  .meta({ id: 'Caller' });

export type Caller = z.infer<typeof caller>;

/** In characters. A reason is one line of a log, a table, a header and the page. */
export const REASON_LENGTH = 200;

/** The reason of an unload or a hold, as a request states it. */
export const reasonText = z
  .string()
  .trim()
  .max(REASON_LENGTH)
  .regex(ONE_LINE, 'must be one line without control characters')
  // The control characters again, without the classes that JSON Schema validators need not support.
  .meta({
    pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]*$',
  });

/** How much is enough. */
export type Target =
  /** So many bytes are to become free. */
  | { freeBytes: number }
  /** The used part of the router's GPU memory is to be at most this, 0 to 1. */
  | { untilRatio: number };

/** Which models are to go. Patterns are globs on ids and aliases. */
export interface Selection {
  /** Empty: every model. */
  models: readonly string[];
  /** Wins over everything else. */
  keep: readonly string[];
  /** Only models that have served nothing for so long. */
  idleForMs?: number;
  /** Absent: all that match; else as few of them as are enough. */
  target?: Target;
}

/** What somebody wants unloaded, and how. */
export interface UnloadRequest {
  trigger: Trigger;
  caller: Caller;
  reason: string;
  /** Names of routers; empty: all. */
  routers: readonly string[];
  selection: Selection;
  whenBusy: WhenBusy;
  /** How long a busy model is waited for. */
  busyTimeoutMs: number;
  /** How long a model may take to be gone, from its request on. */
  timeoutMs: number;
  /** False: the router's word that it will is enough. */
  verify: boolean;
  dryRun: boolean;
  /** Afterwards, the routers' memory is kept free for so long. */
  holdMs?: number;
  /** It mends a broken hold: at once, however recent the last unload. */
  enforcesHold?: boolean;
}
