import { createSecureContext } from 'node:tls';
import { Secret } from '../lib/secret.ts';
import { CURVES, opensslCiphers, TLS_VERSIONS } from './cipher-suites.ts';
import { certificateFault, isPair, keyFault, type Pem, pemOf, type TlsSection } from './pem.ts';
import { type ClientRule, clientFaults, clientRuleOf, type TlsFault } from './web-clients.ts';

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

const NO_PAIR: TlsFault = {
  key: [],
  message: 'has a key that is not that of its certificate: renew both together',
};

/** The TLS of a section, or everything that is wrong with it. Reads the files that it names. */
export function readTls(section: TlsSection): { tls?: WebTls; faults: TlsFault[] } {
  const faults: TlsFault[] = [];
  const pem = (key: Pem, check: (text: string) => string | undefined) => {
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
  const fault = isPair(cert, key) ? contextFault(tls) : NO_PAIR;
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

function missing(section: TlsSection): TlsFault[] {
  return (['cert', 'key'] as const)
    .filter((key) => section[key] === '' && section[`${key}_file`] === '')
    .map((key) => ({ key: [], message: `has no ${key}_file: TLS needs cert_file and key_file` }));
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
    preferOurOrder: section.prefer_server_cipher_suites,
    client: clientRuleOf(section),
  });
}

/** What only OpenSSL knows: a weak key, a curve it was built without. */
function contextFault(tls: WebTls): TlsFault | undefined {
  try {
    createSecureContext(secureContextOptions(tls));
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { key: [], message: `cannot be used: ${code ?? message}` };
  }
}
