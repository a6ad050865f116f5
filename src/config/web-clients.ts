import type { TlsSection } from './pem.ts';

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

/** What is wrong with a section of TLS. */
export interface TlsFault {
  /** The key within the section; empty: the section itself. */
  readonly key: readonly string[];
  readonly message: string;
}

/** What a section asks of a client's certificate. */
export function clientRuleOf({ client_auth_type: type, client_allowed_sans: names }: TlsSection): ClientRule {
  return Object.freeze({
    asked: type !== 'NoClientCert',
    required: type.startsWith('Require'),
    verified: type === 'VerifyClientCertIfGiven' || type === 'RequireAndVerifyClientCert',
    names: names.length === 0 ? undefined : names,
  });
}

/** What of that does not fit together. */
export function clientFaults(section: TlsSection): TlsFault[] {
  const { client_auth_type: type, client_allowed_sans: names } = section;
  const rule = clientRuleOf(section);
  const given = section.client_ca !== '' || section.client_ca_file !== '';
  const faults: TlsFault[] = [];
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
