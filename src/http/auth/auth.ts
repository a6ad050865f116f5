import type { RequestHandler } from 'express';
import type { AuthRefusal } from '../../activity/activity-log.ts';
import type { TokenConfig } from '../../config/schema.ts';
import type { WebConfig } from '../../config/web-config.ts';
import { createLimiter } from '../../lib/limiter.ts';
import { createComparer } from './compare.ts';
import { createGate } from './gate.ts';
import { createGuard } from './guard.ts';
import { createMayAct, type MayAct } from './may-act.ts';
import { createPasswords } from './passwords.ts';

/** So many wrong credentials of one caller are free each minute. */
const FAILURES = { most: 10, spanMs: 60_000, keys: 10_000 };

export interface AuthParts {
  /** As they are now: a reload may change them. */
  tokens(): readonly TokenConfig[];
  /** As it is now; absent: there is no web configuration file. */
  web?: () => WebConfig;
  onRefused(refusal: AuthRefusal): void;
  now(): number;
}

/** Who may act, and who may ask at all. */
export interface Auth {
  mayAct: MayAct;
  /** Makes the handler that applies the web configuration file to every request. */
  guard(never429: readonly string[]): RequestHandler;
  close(): Promise<void>;
}

export function createAuth({ tokens, web, onRefused, now }: AuthParts): Auth {
  const passwords = createPasswords(createComparer());
  const users: WebConfig['users'] = new Map();
  const gate = createGate({
    tokens,
    users: () => web?.().users ?? users,
    passwords,
    failures: createLimiter({ ...FAILURES, now }),
  });
  return {
    mayAct: createMayAct(gate, onRefused),
    guard: (never429) =>
      web ? createGuard({ gate, web, never429, onRefused, now }) : (_request, _response, next) => next(),
    close: passwords.close,
  };
}
