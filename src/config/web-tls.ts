import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { Secret } from '../lib/secret.ts';
import { CURVES, opensslCiphers, TLS_VERSIONS } from './cipher-suites.ts';
import { readText } from './read.ts';
import type { Parsed } from './values.ts';
import type { WebFile } from './web-schema.ts';

type Section = WebFile['tls_server_config'];

/** How connections are encrypted, and which of them are admitted. */
export interface WebTls {
  readonly cert: string;
  readonly key: Secret;
  readonly ca: string | undefined;
  readonly minVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  /** Undefined: Node's own choice. */
  readonly ciphers: string | undefined;
  readonly curves: string | undefined;
  readonly preferOurOrder: boolean;
  readonly client: ClientRule;
}

/** What a client's certificate must be. */
export interface ClientRule {
  /** It is asked for one. */
  readonly asked: boolean;
  /** It must have one. */
  readonly required: boolean;
  /** The one it has must come from our authorities. */
  readonly verified: boolean;
  /** The one it has must bear one of these names; undefined: any. */
  readonly names: readonly string[] | undefined;
}

interface Fault {
  /** The key within the section; empty: the section itself. */
  readonly key: readonly string[];
  readonly message: string;
}

/** The TLS of a section, or everything that is wrong with it. Reads the files that it names. */
export function readTls(section: Section): { tls?: WebTls; faults: Fault[] } {
  const faults: Fault[] = [];
  const pem = (key: 'cert' | 'key' | 'client_ca', check: (text: string) => string | undefined) => {
    const found = pemOf(section, key);
    if (found === undefined) return undefined;
    const wrong = 'wrong' in found.pem ? found.pem.wrong : check(found.pem.value);
    if (wrong === undefined) return 'value' in found.pem ? found.pem.value : undefined;
    faults.push({ key: [found.at], message: found.file === undefined ? wrong : `${found.file} ${wrong}` });
    return undefined;
  };
  const cert = pem('cert', certificateFault);
  const key = pem('key', keyFault);
  const ca = pem('client_ca', certificateFault);
  faults.push(...missing(section), ...clientFaults(section));
  if (faults.length > 0 || cert === undefined || key === undefined) return { faults };
  const tls = tlsOf(section, cert, new Secret(key), ca);
  const fault = pairFault(cert, key) ?? contextFault(tls);
  return fault === undefined ? { tls, faults } : { faults: [fault] };
}

/** What node:tls takes for it. */
export function secureContextOptions(tls: WebTls) {
  const { cert, key, ca, minVersion, maxVersion, ciphers, curves, preferOurOrder } = tls;
  return {
    cert,
    key: key.reveal(),
    minVersion,
    maxVersion,
    honorCipherOrder: preferOurOrder,
    ...(ca !== undefined && { ca }),
    ...(ciphers !== undefined && { ciphers }),
    ...(curves !== undefined && { ecdhCurve: curves }),
  };
}

/** The text of a PEM, given directly or in a file, and where that stands; undefined when it is not given. */
function pemOf(
  section: Section,
  key: 'cert' | 'key' | 'client_ca',
): { at: string; file?: string; pem: Parsed<string> } | undefined {
  const { [key]: direct, [`${key}_file` as const]: file } = section;
  if (direct !== '' && file !== '') {
    return { at: key, pem: { wrong: 'is given both directly and by a file: keep one of them' } };
  }
  if (direct !== '') return { at: key, pem: { value: direct } };
  return file === '' ? undefined : { at: `${key}_file`, file, pem: readText(file) };
}

function missing(section: Section): Fault[] {
  return (['cert', 'key'] as const)
    .filter((key) => section[key] === '' && section[`${key}_file`] === '')
    .map((key) => ({ key: [], message: `has no ${key}_file: TLS needs cert_file and key_file` }));
}

function clientFaults(section: Section): Fault[] {
  const { client_auth_type: type, client_allowed_sans: names } = section;
  const rule = clientRuleOf(section);
  const given = section.client_ca !== '' || section.client_ca_file !== '';
  const faults: Fault[] = [];
  if (given && !rule.asked) {
    const at = section.client_ca !== '' ? 'client_ca' : 'client_ca_file';
    faults.push({ key: [at], message: 'has no use without client_auth_type: RequireAndVerifyClientCert' });
  }
  if (!given && rule.verified) {
    const message = `is ${type}, which needs a client_ca_file: else every public authority could let clients in`;
    faults.push({ key: ['client_auth_type'], message });
  }
  if (names.length > 0 && !rule.required) {
    const message = 'needs client_auth_type: RequireAndVerifyClientCert (or RequireAnyClientCert)';
    faults.push({ key: ['client_allowed_sans'], message });
  }
  return faults;
}

function tlsOf(section: Section, cert: string, key: Secret, ca: string | undefined): WebTls {
  const { cipher_suites: suites, curve_preferences: curves } = section;
  return Object.freeze({
    cert,
    key,
    ca,
    minVersion: TLS_VERSIONS[section.min_version],
    maxVersion: TLS_VERSIONS[section.max_version],
    ciphers: suites.length === 0 ? undefined : opensslCiphers(suites),
    curves: curves.length === 0 ? undefined : curves.map((curve) => CURVES[curve]).join(':'),
    preferOurOrder: section.prefer_server_cipher_suites,
    client: clientRuleOf(section),
  });
}

function clientRuleOf({ client_auth_type: type, client_allowed_sans: names }: Section): ClientRule {
  return Object.freeze({
    asked: type !== 'NoClientCert',
    required: type.startsWith('Require'),
    verified: type === 'VerifyClientCertIfGiven' || type === 'RequireAndVerifyClientCert',
    names: names.length === 0 ? undefined : names,
  });
}

function certificateFault(pem: string): string | undefined {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  const readable = blocks.every((block) => works(() => new X509Certificate(block)));
  return blocks.length > 0 && readable ? undefined : 'holds no certificate in PEM format';
}

function keyFault(pem: string): string | undefined {
  if (works(() => createPrivateKey(pem))) return undefined;
  const locked = /ENCRYPTED/.test(pem);
  return locked ? 'is encrypted: store the key without a passphrase' : 'holds no private key in PEM format';
}

function pairFault(cert: string, key: string): Fault | undefined {
  if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return undefined;
  return { key: [], message: 'has a key that is not that of its certificate: renew both together' };
}

/** What only OpenSSL knows: a weak key, a curve it was built without. */
function contextFault(tls: WebTls): Fault | undefined {
  try {
    createSecureContext(secureContextOptions(tls));
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { key: [], message: `cannot be used: ${code ?? message}` };
  }
}

function works(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}
