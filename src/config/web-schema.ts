import { z } from 'zod';
import { CIPHER_SUITE_NAMES, CURVES, TLS_VERSIONS, type TlsVersion } from './cipher-suites.ts';
import {
  choice,
  count,
  duration,
  headerValue,
  optionalChoice,
  path,
  section,
  text,
  texts,
  toggle,
  words,
} from './fields.ts';
import { isTree } from './layer.ts';
import { users } from './web-users.ts';

/** Go's words for what is asked of a client's certificate; `RequireClientCert` is an old name of the third. */
export const CLIENT_AUTH_TYPES = [
  'NoClientCert',
  'RequestClientCert',
  'RequireAnyClientCert',
  'RequireClientCert',
  'VerifyClientCertIfGiven',
  'RequireAndVerifyClientCert',
] as const;

const VERSIONS = Object.keys(TLS_VERSIONS) as TlsVersion[];

const tls = section('How connections are encrypted; empty: not at all.', {
  cert: text('', 'The certificate as PEM.'),
  cert_file: path('', 'A file that holds the certificate.'),
  key: text('', 'Its private key as PEM.'),
  key_file: path('', 'A file that holds the private key.'),
  client_ca: text('', 'The authorities that certificates of clients are verified against, as PEM.'),
  client_ca_file: path('', 'A file that holds those authorities.'),
  client_auth_type: choice('NoClientCert', CLIENT_AUTH_TYPES, "What is asked of a client's certificate."),
  client_allowed_sans: texts("Names of which a client's certificate must have one; empty: any."),
  min_version: choice('TLS12', VERSIONS, 'The oldest version of TLS that is spoken.'),
  max_version: choice('TLS13', VERSIONS, 'The newest version of TLS that is spoken.'),
  cipher_suites: words('The cipher suites of TLS 1.2 and before.', CIPHER_SUITE_NAMES),
  prefer_server_cipher_suites: toggle(true, 'Whether their order here counts, and not the client’s.'),
  curve_preferences: words('The curves of key exchanges.', Object.keys(CURVES)),
});

const headers = section('Headers of every answer; empty: not sent.', {
  'Strict-Transport-Security': headerValue('Its value.'),
  'X-Content-Type-Options': optionalChoice(['nosniff'], 'Its value.'),
  'X-Frame-Options': optionalChoice(['deny', 'sameorigin'], 'Its value.'),
  'X-XSS-Protection': headerValue('Its value.'),
  'Content-Security-Policy': headerValue('Its value.'),
});

/** The web configuration file of Prometheus' exporter-toolkit, every key of it. */
export const webSchema = z
  .strictObject({
    tls_server_config: tls,
    http_server_config: section('How HTTP is spoken.', {
      http2: toggle(true, 'Taken and ignored: HTTP/1.1 is spoken.'),
      headers,
    }),
    basic_auth_users: users,
    rate_limit: section('How many requests are answered, of all callers together.', {
      interval: duration('0s', '0s', 'Between two requests in the long run; 0: no limit.'),
      burst: count(0, 'How many may come at once.'),
    }),
  })
  .superRefine(checkBounds, { when: ({ value }) => isTree(value) })
  .readonly();

export type WebFile = z.output<typeof webSchema>;

/** What is compared with each other; where an option is wrong, anything. */
interface Bounds {
  readonly tls_server_config: { readonly min_version: TlsVersion; readonly max_version: TlsVersion };
  readonly rate_limit: { readonly interval: number; readonly burst: number };
}

function checkBounds(
  { tls_server_config: tls, rate_limit: limit }: Bounds,
  ctx: z.core.$RefinementCtx,
): void {
  const wrong = (path: string[], message: string) => ctx.addIssue({ code: 'custom', path, message });
  if (VERSIONS.indexOf(tls.min_version) > VERSIONS.indexOf(tls.max_version)) {
    wrong(
      ['tls_server_config', 'min_version'],
      `is ${tls.min_version}, newer than max_version, ${tls.max_version}`,
    );
  }
  if (limit.interval > 0 && limit.burst === 0) {
    wrong(['rate_limit', 'burst'], 'is 0: nothing would ever be answered');
  }
}
