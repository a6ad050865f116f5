import * as z from 'zod';
import { parseError, parseRunning } from './schemas.ts';

/** The first version with this shape of the event stream. */
const FIRST_VERSION = 240;

/** The answer to any request. */
interface Evidence {
  /** Parsed as JSON; undefined when it is none. */
  body: unknown;
  /** The header `WWW-Authenticate`. */
  authenticate?: string;
}

/** The first model tells. Every router is asked this with each listing. */
const ownedSchema = z.object({
  data: z.tuple([z.object({ owned_by: z.literal('llama-swap') })], z.unknown()),
});

/** Whether an answer is that of a llama-swap: an error of its own, its `/running`, its list of models, or its 401. */
export function isLlamaSwap({ body, authenticate = '' }: Evidence): boolean {
  return (
    parseError(body) !== undefined ||
    parseRunning(body) !== undefined ||
    ownedSchema.safeParse(body).success ||
    /realm="llama-swap"/.test(authenticate)
  );
}

/** Undefined where the version does not tell. */
export function versionNumber(version: string): number | undefined {
  const [, digits] = /^v?(\d+)(?:[-.].*)?$/.exec(version) ?? [];
  return Number(digits) || undefined;
}

/**
 * Why a llama-swap of this version is too old; undefined when it is not, or when its version does not tell: programs that
 * are not built for a release say `0`.
 */
export function oldVersion(version: string): string | undefined {
  const number = versionNumber(version);
  if (number === undefined || number >= FIRST_VERSION) return undefined;
  return `is llama-swap v${number}, but the exporter needs v${FIRST_VERSION} or newer: update llama-swap`;
}
