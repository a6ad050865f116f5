import { compare } from 'bcryptjs';
import type { TokenConfig } from '../../src/config/schema.ts';
import type { WebConfig } from '../../src/config/web-config.ts';
import { type Auth, createAuth } from '../../src/http/auth/auth.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { RefusalReason } from '../../src/unload/report.ts';
import type { Caller } from '../../src/unload/request.ts';

/** `secret`, by crypt(3) at bcrypt's cheapest usual cost. */
const HASH = '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a';

export const aToken = (name: string, more: Partial<TokenConfig> = {}): TokenConfig => ({
  name,
  token: new Secret(`token-of-${name}-0123`),
  routers: [],
  dry_run: false,
  ...more,
});

export const bearer = (name: string) => ({ Authorization: `Bearer token-of-${name}-0123` });

export const basic = (user: string, password = 'secret') => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

/** A web configuration whose users all have the password `secret`. */
export const aWebConfig = (users: string[] = [], more: Partial<WebConfig> = {}): WebConfig => ({
  tls: undefined,
  headers: [],
  users: new Map(users.map((name) => [name, new Secret(HASH)])),
  rateLimit: undefined,
  ...more,
});

export interface Access {
  auth: Auth;
  refusals: { reason: RefusalReason; caller: Caller; request: string; why: string }[];
  /** The test may change them, as a reload does. */
  tokens: TokenConfig[];
  web: WebConfig | undefined;
  /** Advances the clock of the limits. */
  advance(ms: number): void;
}

/** Access control whose tokens, web configuration and clock the test controls. */
export function anAccess(tokens: TokenConfig[] = [], web?: WebConfig): Access {
  let now = 1_700_000_000_000;
  const access: Access = {
    tokens,
    web,
    refusals: [],
    advance(ms) {
      now += ms;
    },
    auth: createAuth({
      tokens: () => access.tokens,
      ...(web && { web: () => access.web ?? web }),
      // Not in a thread: its start takes longer than the comparison.
      compare,
      onRefused: (reason, caller, request, why) => access.refusals.push({ reason, caller, request, why }),
      now: () => now,
    }),
  };
  return access;
}
