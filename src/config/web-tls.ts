import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { ok } from '../lib/result.ts';
import { Secret } from '../lib/secret.ts';
import { readText } from './file.ts';
import { CURVES, opensslCiphers, TLS_VERSIONS } from './tls-names.ts';
import type { Parsed } from './values.ts';
import type { TlsSection } from './web-schema.ts';

type TlsVersion = (typeof TLS_VERSIONS)[keyof typeof TLS_VERSIONS];

/** How connections are encrypted, and which clients are admitted. */
export interface WebTls {
  readonly cert: string;
  readonly key: Secret;
  readonly ca: string | undefined;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** Undefined: Node's default. */
  readonly ciphers: string | undefined;
  readonly curves: string | undefined;
  readonly preferServerOrder: boolean;
  readonly client: ClientRule;
}

/** What is required of client certificates. */
export interface ClientRule {
  /** The server asks for one. */
  readonly asked: boolean;
  /** The client must have one. */
  readonly required: boolean;
  /** It must be signed by a configured authority. */
  readonly verified: boolean;
  /** It must have one of these names; undefined: any. */
  readonly names: readonly string[] | undefined;
}

export interface TlsFault {
  /** The key within the section; undefined: the section itself. */
  readonly key?: string | undefined;
  readonly message: string;
}

/** The TLS of a section, or its faults. Reads the files that it names. */
export function readTls(section: TlsSection): { tls?: WebTls; faults: TlsFault[] } {
  const pems = {
    cert: readPem(section, 'cert', certificateFault),
    key: readPem(section, 'key', keyFault),
    ca: readPem(section, 'client_ca', certificateFault),
  };
  const missing = (['cert', 'key'] as const).filter((key) => pems[key] === undefined);
  const faults = [
    ...Object.values(pems).flatMap((pem) => pem?.fault ?? []),
    ...missing.map((key) => ({ message: `has no ${key}_file: TLS needs cert_file and key_file` })),
    ...clientFaults(section),
  ];
  const { cert, key, ca } = pems;
  if (faults.length > 0 || cert === undefined || key === undefined) return { faults };
  const tls = tlsOf(section, cert.text, new Secret(key.text), ca?.text);
  const fault = contextFault(tls);
  return fault === undefined ? { tls, faults } : { faults: [fault] };
}

/** The options of node:tls. */
export function secureContextOptions(tls: WebTls) {
  const { cert, key, ca, minVersion, maxVersion, ciphers, curves, preferServerOrder } = tls;
  return {
    cert,
    key: key.reveal(),
    minVersion,
    maxVersion,
    honorCipherOrder: preferServerOrder,
    ca,
    ciphers,
    ecdhCurve: curves,
  };
}

/** The PEM at `name` or `name_file` with its fault; undefined when neither is given. */
function readPem(
  section: TlsSection,
  name: 'cert' | 'key' | 'client_ca',
  faultOf: (pem: string) => string | undefined,
): { text: string; fault?: TlsFault | undefined } | undefined {
  const { [name]: direct, [`${name}_file` as const]: file } = section;
  if (direct === '' && file === '') return undefined;
  if (direct !== '' && file !== '') {
    const message = 'is given both directly and by a file: keep one of them';
    return { text: '', fault: { key: name, message } };
  }
  const read: Parsed<string> = file === '' ? ok(direct) : readText(file);
  const text = read.ok ? read.value : '';
  const fault = read.ok ? faultOf(text) : read.fault;
  if (fault === undefined) return { text };
  const key = file === '' ? name : `${name}_file`;
  return { text: '', fault: { key, message: file === '' ? fault : `${file} ${fault}` } };
}

const END = '-----END CERTIFICATE-----';

function certificateFault(pem: string): string | undefined {
  const blocks = pem.split(END).slice(0, -1);
  const isReadable = blocks.every((block) => works(() => new X509Certificate(`${block}${END}`)));
  return blocks.length > 0 && isReadable ? undefined : 'has no valid certificate in PEM format';
}

/** The message never contains the key. */
function keyFault(pem: string): string | undefined {
  if (works(() => createPrivateKey(pem))) return undefined;
  const isEncrypted = /ENCRYPTED/.test(pem);
  return isEncrypted
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

function clientRuleOf({ client_auth_type: type, client_allowed_sans: names }: TlsSection): ClientRule {
  return Object.freeze({
    asked: type !== 'NoClientCert',
    required: type.startsWith('Require'),
    verified: type === 'VerifyClientCertIfGiven' || type === 'RequireAndVerifyClientCert',
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

function tlsOf(section: TlsSection, cert: string, key: Secret, ca: string | undefined): WebTls {
  const { cipher_suites: suites, curve_preferences: curves } = section;
  return Object.freeze({
    cert,
    key,
    ca,
    minVersion: TLS_VERSIONS[section.min_version],
    maxVersion: TLS_VERSIONS[section.max_version],
    ciphers: suites.length === 0 ? undefined : opensslCiphers(suites),
    curves: curves.length === 0 ? undefined : curves.map((curve) => CURVES[curve]).join(':'),
    preferServerOrder: section.prefer_server_cipher_suites,
    client: clientRuleOf(section),
  });
}

/** What only OpenSSL knows: another certificate's key, a weak key, an unsupported curve. */
function contextFault(tls: WebTls): TlsFault | undefined {
  if (!new X509Certificate(tls.cert).checkPrivateKey(createPrivateKey(tls.key.reveal()))) {
    return { message: 'has a key that does not belong to its certificate: renew both together' };
  }
  try {
    createSecureContext(secureContextOptions(tls));
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { message: `cannot be used: ${code ?? message}` };
  }
}
