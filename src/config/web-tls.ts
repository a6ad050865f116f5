import { createPrivateKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { failed, ok, type Result } from '../lib/result.ts';
import { Secret } from '../lib/secret.ts';
import { certificateFault, readText } from './file.ts';
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
  const faults: TlsFault[] = [];
  const read = (name: 'cert' | 'key' | 'client_ca', faultOf: (pem: string) => string | undefined) => {
    const { [name]: direct, [`${name}_file` as const]: file } = section;
    const text = file === '' ? ok(direct) : readText(file);
    const key = file === '' ? name : `${name}_file`;
    if (file !== '' && direct !== '') {
      faults.push({ key: name, message: 'is given both directly and by a file: keep one of them' });
    } else if (file !== '' || direct !== '') {
      const message = text.ok ? faultOf(text.value) : text.fault;
      if (message !== undefined) faults.push({ key, message: `${file} ${message}`.trim() });
    } else if (name !== 'client_ca') {
      faults.push({ message: `has no ${name}_file: TLS needs cert_file and key_file` });
    }
    return text.ok ? text.value : '';
  };
  const cert = read('cert', certificateFault);
  const key = new Secret(read('key', keyFault));
  const tls = tlsOf(section, cert, key, read('client_ca', certificateFault));
  faults.push(...clientFaults(section));
  const message = faults.length === 0 ? contextFault(tls) : undefined;
  if (message !== undefined) faults.push({ message });
  return faults.length === 0 ? ok(tls) : failed(faults);
}

/** The options of node:tls. */
export function secureContextOptions({ key, client: _, ...options }: WebTls) {
  return { ...options, key: key.reveal() };
}

/** The message never contains the key. */
function keyFault(pem: string): string | undefined {
  try {
    createPrivateKey(pem);
    return undefined;
  } catch {
    if (pem.includes('ENCRYPTED')) return 'is encrypted: store the key without a passphrase';
    return 'has no private key in PEM format';
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
  const { client_auth_type: type, client_ca } = section;
  const { asked, required, verified, names } = clientRuleOf(section);
  const caKey = client_ca === '' ? 'client_ca_file' : 'client_ca';
  const hasAuthorities = section[caKey] !== '';
  const faults: [when: boolean, key: string, message: string][] = [
    [hasAuthorities && !asked, caKey, 'has no effect without client_auth_type: RequireAndVerifyClientCert'],
    [
      !hasAuthorities && verified,
      'client_auth_type',
      `is ${type}, which needs a client_ca_file: otherwise every public authority could admit clients`,
    ],
    [
      names !== undefined && !required,
      'client_allowed_sans',
      'needs client_auth_type: RequireAndVerifyClientCert (or RequireAnyClientCert)',
    ],
  ];
  return faults.flatMap(([when, key, message]) => (when ? [{ key, message }] : []));
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
function contextFault(tls: WebTls): string | undefined {
  try {
    createSecureContext(secureContextOptions(tls));
    return undefined;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    return /KEY_(VALUES|TYPE)_MISMATCH/.test(code)
      ? 'has a key that does not belong to its certificate: renew both together'
      : `cannot be used: ${code || message}`;
  }
}
