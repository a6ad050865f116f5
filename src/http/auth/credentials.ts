/** What an `Authorization` header says. */
export type Credentials =
  | { kind: 'none' }
  | { kind: 'bearer'; token: string }
  | { kind: 'basic'; user: string; password: string }
  /** A scheme that we do not know, or one of ours with something else behind it. */
  | { kind: 'other' };

/** Reads an `Authorization` header. */
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

/** Whether a URL carries a credential in its query, where logs and histories would keep it. */
export function hasTokenInQuery(url: string): boolean {
  const start = url.indexOf('?');
  if (start < 0) return false;
  const names = [...new URLSearchParams(url.slice(start)).keys()];
  return names.some((name) => ['token', 'access_token'].includes(name.toLowerCase()));
}
