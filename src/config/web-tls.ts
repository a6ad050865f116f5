import { createPrivateKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { failed, ok, type Result } from '../lib/result.ts';
import { Secret } from '../lib/secret.ts';
import { readText } from './file.ts';
import { certificateFault } from './pem.ts';
import { CURVES, opensslCiphers, TLS_VERSIONS } from './tls-names.ts';
import type { TlsSection } from './web-schema.ts';

/** How connections are encrypted (the options of node:tls with a hidden key), and which clients are admitted. */
export type WebTls = ReturnType<typeof tlsOf>;

/** What is required of client certificates. */
export type ClientRule = ReturnType<typeof clientRuleOf>;

interface TlsFault {
  /** The key within the section; undefined: the section itself. */
  readonly key?: string | undefined;
  readonly message: string;
}

/** The TLS of a section, or its faults. Reads the files that it names. */
export function readTls(section: TlsSection): Result<WebTls, readonly TlsFault[]> {
  const [cert, key, ca] = [
    readPem(section, 'cert', certificateFault),
    readPem(section, 'key', keyFault),
    readPem(section, 'client_ca', certificateFault),
  ];
  const faults = [cert, key, ca].flatMap((pem) => (pem.ok ? [] : [pem.fault]));
  faults.push(...clientFaults(section));
  for (const name of ['cert', 'key'] as const) {
    if (section[name] !== '' || section[`${name}_file`] !== '') continue;
    faults.push({ message: `has no ${name}_file: TLS needs cert_file and key_file` });
  }
  if (faults.length > 0 || !cert.ok || !key.ok || !ca.ok) return failed(faults);
  const tls = tlsOf(section, cert.value, new Secret(key.value), ca.value);
  const fault = contextFault(tls);
  return fault === undefined ? ok(tls) : failed([fault]);
}

/** The options of node:tls. */
export function secureContextOptions({ key, client: _, ...options }: WebTls) {
  return { ...options, key: key.reveal() };
}

/** The PEM at `name` or `name_file`; empty when neither is given. */
function readPem(
  section: TlsSection,
  name: 'cert' | 'key' | 'client_ca',
  faultOf: (pem: string) => string | undefined,
): Result<string, TlsFault> {
  const { [name]: direct, [`${name}_file` as const]: file } = section;
  if (file === '') {
    const message = direct === '' ? undefined : faultOf(direct);
    return message === undefined ? ok(direct) : failed({ key: name, message });
  }
  if (direct !== '') {
    return failed({ key: name, message: 'is given both directly and by a file: keep one of them' });
  }
  const text = readText(file);
  const message = text.ok ? faultOf(text.value) : text.fault;
  if (text.ok && message === undefined) return text;
  return failed({ key: `${name}_file`, message: `${file} ${message}` });
}

/** The message never contains the key. */
function keyFault(pem: string): string | undefined {
  if (works(() => createPrivateKey(pem))) return undefined;
  return /ENCRYPTED/.test(pem)
    ? 'is encrypted: store the key without a passphrase'
    : 'has no private key in PEM format';
}

function works(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

function clientRuleOf({ client_auth_type: type, client_allowed_sans: names }: TlsSection) {
  return Object.freeze({
    /** The server asks for one. */
    asked: type !== 'NoClientCert',
    /** The client must have one. */
    required: type.startsWith('Require'),
    /** It must be signed by a configured authority. */
    verified: type === 'VerifyClientCertIfGiven' || type === 'RequireAndVerifyClientCert',
    /** It must have one of these names; undefined: any. */
    names: names.length === 0 ? undefined : names,
  });
}

function clientFaults(section: TlsSection): TlsFault[] {
  const { client_auth_type: type, client_ca, client_ca_file } = section;
  const rule = clientRuleOf(section);
  const hasAuthorities = client_ca !== '' || client_ca_file !== '';
  const faults: TlsFault[] = [];
  if (hasAuthorities && !rule.asked) {
    const key = client_ca === '' ? 'client_ca_file' : 'client_ca';
    faults.push({ key, message: 'has no effect without client_auth_type: RequireAndVerifyClientCert' });
  }
  if (!hasAuthorities && rule.verified) {
    const message = `is ${type}, which needs a client_ca_file: otherwise every public authority could admit clients`;
    faults.push({ key: 'client_auth_type', message });
  }
  if (rule.names !== undefined && !rule.required) {
    const message = 'needs client_auth_type: RequireAndVerifyClientCert (or RequireAnyClientCert)';
    faults.push({ key: 'client_allowed_sans', message });
  }
  return faults;
}

function tlsOf(section: TlsSection, cert: string, key: Secret, ca: string) {
  const { cipher_suites: suites, curve_preferences: curves } = section;
  return Object.freeze({
    cert,
    key,
    ca: ca === '' ? undefined : ca,
    minVersion: TLS_VERSIONS[section.min_version],
    maxVersion: TLS_VERSIONS[section.max_version],
    ciphers: suites.length === 0 ? undefined : opensslCiphers(suites),
    ecdhCurve: curves.length === 0 ? undefined : curves.map((curve) => CURVES[curve]).join(':'),
    honorCipherOrder: section.prefer_server_cipher_suites,
    client: clientRuleOf(section),
  });
}

/** What only OpenSSL knows: another certificate's key, a weak key, an unsupported curve. */
function contextFault(tls: WebTls): TlsFault | undefined {
  try {
    createSecureContext(secureContextOptions(tls));
    return undefined;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    return /KEY_(VALUES|TYPE)_MISMATCH/.test(code)
      ? { message: 'has a key that does not belong to its certificate: renew both together' }
      : { message: `cannot be used: ${code || message}` };
  }
}
