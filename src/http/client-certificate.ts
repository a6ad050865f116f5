import type { ClientRule } from '../config/web-tls.ts';

/** What is known of a client's certificate. */
export interface ClientCertificate {
  /** Its subject alternative names as Node writes them; undefined: it has none. */
  readonly names: string | undefined;
  /** It comes from one of our authorities. */
  readonly verified: boolean;
}

/** Whether a client with this certificate, or with none, is let in. */
export function admits(rule: ClientRule, certificate: ClientCertificate | undefined): boolean {
  if (!rule.asked) return true;
  if (certificate === undefined) return !rule.required;
  if (rule.verified && !certificate.verified) return false;
  if (rule.names === undefined) return true;
  const allowed = new Set(rule.names.map(canonical));
  return namesOf(certificate.names ?? '').some((name) => allowed.has(name));
}

/**
 * The names in `DNS:a, IP Address:10.0.0.7, URI:"with, comma"`. What does not read back as such a list counts for
 * nothing: a name must not be made of the middle of another.
 */
function namesOf(text: string): string[] {
  const entry = /(DNS|IP Address|URI|email|[\w ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;
  const names: string[] = [];
  while (entry.lastIndex < text.length) {
    const [, kind = '', value = ''] = entry.exec(text) ?? [];
    if (kind === '') return [];
    if (['DNS', 'IP Address', 'URI', 'email'].includes(kind)) names.push(canonical(unquoted(value)));
  }
  return names;
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return '';
  }
}

/** IPv6 addresses are written in many ways: `FD00:0:0:0:0:0:0:7` is `fd00::7`. */
function canonical(name: string): string {
  const url = `http://[${name}]`;
  return /^[\da-f:.]+$/i.test(name) && name.includes(':') && URL.canParse(url) ? new URL(url).hostname : name;
}
