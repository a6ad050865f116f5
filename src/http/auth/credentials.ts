import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { TokenConfig } from '../../config/schema.ts';

/** The content of an `Authorization` header; `other` is an unknown scheme or malformed. */
export type Credentials =
  | { kind: 'none' }
  | { kind: 'bearer'; token: string }
  | { kind: 'basic'; user: string; password: string }
  | { kind: 'other' };

export function readCredentials(header: string | undefined): Credentials {
  if (header === undefined) return { kind: 'none' };
  const [, scheme = '', rest = ''] = /^(\S+)(?: +(\S+))? *$/.exec(header) ?? [];
  if (rest === '') return { kind: 'other' };
  if (scheme.toLowerCase() === 'bearer') return { kind: 'bearer', token: rest };
  if (scheme.toLowerCase() === 'basic') return readBasic(rest);
  return { kind: 'other' };
}

function readBasic(encoded: string): Credentials {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return { kind: 'other' };
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return { kind: 'other' };
  return { kind: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Whether the query of a URL carries a credential, which logs and histories would keep. */
export function hasTokenInQuery(url: string): boolean {
  const start = url.indexOf('?');
  if (start < 0) return false;
  const names = [...new URLSearchParams(url.slice(start)).keys()];
  return names.some((name) => ['token', 'access_token'].includes(name.toLowerCase()));
}

/** Different in every process, so that the compared digests cannot be predicted. */
const KEY = randomBytes(32);

/** The token with this secret. Takes the same time whether and which one matches. */
export function findToken(tokens: readonly TokenConfig[], presented: string): TokenConfig | undefined {
  const digest = digestOf(presented);
  let found: TokenConfig | undefined;
  for (const each of tokens) {
    if (timingSafeEqual(digestOf(each.token.reveal()), digest)) found = each;
  }
  return found;
}

function digestOf(text: string): Buffer {
  return createHmac('sha256', KEY).update(text).digest();
}
