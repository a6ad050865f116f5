import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readText } from './read.ts';
import type { Parsed } from './values.ts';
import type { WebFile } from './web-schema.ts';

export type TlsSection = WebFile['tls_server_config'];

/** What may be given as text, or as `KEY_file`. */
export type Pem = 'cert' | 'key' | 'client_ca';

/** The text of a PEM, given directly or in a file, and where that stands; undefined when it is not given. */
export function pemOf(
  section: TlsSection,
  key: Pem,
): { at: string; file?: string; pem: Parsed<string> } | undefined {
  const { [key]: direct, [`${key}_file` as const]: file } = section;
  if (direct !== '' && file !== '') {
    return { at: key, pem: { wrong: 'is given both directly and by a file: keep one of them' } };
  }
  if (direct !== '') return { at: key, pem: { value: direct } };
  return file === '' ? undefined : { at: `${key}_file`, file, pem: readText(file) };
}

/** What is wrong with a text that should hold certificates. */
export function certificateFault(pem: string): string | undefined {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  const readable = blocks.every((block) => works(() => new X509Certificate(block)));
  return blocks.length > 0 && readable ? undefined : 'holds no certificate in PEM format';
}

/** What is wrong with a text that should hold a private key; the text itself is never told. */
export function keyFault(pem: string): string | undefined {
  if (works(() => createPrivateKey(pem))) return undefined;
  const locked = /ENCRYPTED/.test(pem);
  return locked ? 'is encrypted: store the key without a passphrase' : 'holds no private key in PEM format';
}

/** Whether the key is that of the first certificate. */
export function isPair(cert: string, key: string): boolean {
  return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
}

function works(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}
