import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import type { Config } from '../config/schema.ts';
import { compareWhenBusy, type WhenBusy } from '../config/when-busy.ts';
import { ONE_LINE } from '../lib/one-line.ts';

/** What starts an operation: `policy` an unload, `restore` a load after a hold. */
export const TRIGGERS = ['alertmanager', 'api', 'cli', 'page', 'policy', 'restore'] as const;

export type Trigger = (typeof TRIGGERS)[number];

/** Triggers that no person stands behind; guards may refuse their requests. */
export const AUTOMATIC_TRIGGERS = ['alertmanager', 'policy'] as const satisfies Trigger[];

export function isAutomatic(trigger: Trigger): boolean {
  return AUTOMATIC_TRIGGERS.some((automatic) => automatic === trigger);
}

/** Who made the request, for the report and the audit file. */
export const caller = z
  .object({
    name: z.string().describe('The name of a token or a user; loopback for a local caller without either.'),
    address: z.string().exactOptional().describe("The peer's address."),
  })
  .meta({ id: 'Caller' });

export type Caller = z.infer<typeof caller>;

export function callerAt(name: string, address: string | undefined): Caller {
  return address === undefined ? { name } : { name, address };
}

/** In characters. A reason is shown on one line in the log, tables, headers and the page. */
export const REASON_LENGTH = 200;

/** The reason of an unload or a hold, as a request states it. */
export const reasonText = z
  .string()
  .trim()
  .max(REASON_LENGTH)
  .regex(ONE_LINE, 'must be one line without control characters')
  // The same rule without the character classes that JSON Schema validators need not support.
  .meta({
    pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]*$',
  });

/**
 * How much memory an unload frees: an amount in bytes, down to a used share of GPU memory from 0 to 1, or until an amount in
 * bytes is free on one GPU.
 */
export type Target = { freeBytes: number } | { untilRatio: number } | { freeOnOneGpu: number };

export function targetOf(freeBytes: number | undefined, untilRatio: number | undefined): Target | undefined {
  if (freeBytes !== undefined) return { freeBytes };
  return untilRatio === undefined ? undefined : { untilRatio };
}

/** Which models to unload. Patterns are globs on ids and aliases. */
export interface Selection {
  /** Empty: every model. */
  models: readonly string[];
  /** Never unloaded, even when named in `models`. */
  keep: readonly string[];
  /** Only models that have been idle for this long. */
  idleForMs?: number | undefined;
  /** Only models with memory on one of these GPUs, by UUID, PCI address or index. Absent: any. */
  gpus?: readonly string[] | undefined;
  /** Unload only as many models as the target needs; without one, all that match. */
  target?: Target | undefined;
}

/** How models are unloaded; the configuration has defaults. */
export interface UnloadTerms {
  whenBusy: WhenBusy;
  /** The longest wait for a busy model. */
  busyTimeoutMs: number;
  /** The longest time from the unload order until the model is gone. */
  timeoutMs: number;
  /** Wait until each model is gone; otherwise the router's acknowledgement is enough. */
  verify: boolean;
  dryRun: boolean;
}

export interface UnloadRequest extends UnloadTerms {
  trigger: Trigger;
  caller: Caller;
  reason: string;
  /** Names of routers; empty: all. */
  routers: readonly string[];
  selection: Selection;
  /** Hold the routers' memory free for this long afterwards. */
  holdMs?: number | undefined;
  /** The id of the hold that it prepares. */
  hold?: string | undefined;
  /** The request enforces a hold, so the cooldown does not apply. */
  enforcesHold?: boolean | undefined;
}

/** What starts a load: a person, or the end of a hold. */
export const LOAD_TRIGGERS = ['api', 'cli', 'page', 'restore'] as const satisfies Trigger[];

export interface LoadRequest {
  trigger: (typeof LOAD_TRIGGERS)[number];
  caller: Caller;
  reason: string;
  /** Names of routers; empty: the router that has the model. */
  routers: readonly string[];
  /** Ids or aliases, in the order in which they are loaded. */
  models: readonly string[];
  /** The longest time for one model, from its turn until it is loaded. */
  timeoutMs: number;
  dryRun: boolean;
  /** The id of the hold for which the models are loaded: it does not stand in the way. */
  hold?: string | undefined;
}

export function isUnload(request: UnloadRequest | LoadRequest): request is UnloadRequest {
  return 'selection' in request;
}

/** The terms of an unload for which the request states nothing else. */
export function defaultTerms({ unload }: Config): UnloadTerms {
  return {
    whenBusy: unload.when_busy,
    busyTimeoutMs: unload.busy_timeout * 1000,
    timeoutMs: unload.timeout * 1000,
    verify: true,
    dryRun: false,
  };
}

/** The configured keep list of a router. */
export function keepListOf({ unload, routers }: Config, router: string): readonly string[] {
  return [...unload.keep, ...(routers.find(({ name }) => name === router)?.keep ?? [])];
}

/**
 * Whether a running request does all that another one wants on a router: with terms at least as strong, on at least the
 * same models. `planned`: its models are chosen already, by a measurement of memory that may be old by now.
 */
export function includesRequest(running: UnloadRequest, wanted: UnloadRequest, planned: boolean): boolean {
  const [mine, other] = [running.selection, wanted.selection];
  const hasModels =
    mine.models.length === 0 ||
    (other.models.length > 0 && other.models.every((pattern) => mine.models.includes(pattern)));
  const hasIdle =
    mine.idleForMs === undefined || (other.idleForMs !== undefined && mine.idleForMs <= other.idleForMs);
  const isByMemory = mine.target !== undefined || mine.gpus !== undefined;
  const hasMemory =
    !isByMemory || (!planned && isDeepStrictEqual([mine.target, mine.gpus], [other.target, other.gpus]));
  // The hold of another caller is not enough: that caller may release it.
  const isSameCaller = running.caller.name === wanted.caller.name && running.trigger === wanted.trigger;
  const hasHold = wanted.holdMs === undefined || (isSameCaller && (running.holdMs ?? 0) >= wanted.holdMs);
  return (
    compareWhenBusy(running.whenBusy, wanted.whenBusy) >= 0 &&
    running.verify >= wanted.verify &&
    hasHold &&
    hasMemory &&
    mine.keep.every((pattern) => other.keep.includes(pattern)) &&
    hasModels &&
    hasIdle
  );
}
