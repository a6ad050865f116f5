import { z } from 'zod';
import { failed, ok } from '../lib/result.ts';
import { Secret } from '../lib/secret.ts';
import {
  choice,
  choices,
  count,
  duration,
  headerValue,
  optionalChoice,
  path,
  section,
  text,
  texts,
  toggle,
} from './fields.ts';
import { isTree } from './layer.ts';
import { options } from './options.ts';
import { CIPHER_SUITE_NAMES, CLIENT_AUTH_TYPES, CURVES, TLS_VERSIONS } from './tls-names.ts';
import { hasControlCharacter, type Parsed } from './values.ts';

const VERSIONS = Object.keys(TLS_VERSIONS) as (keyof typeof TLS_VERSIONS)[];

const tls = section('TLS; empty: plain HTTP.', {
  cert: text('', 'Certificate as PEM.'),
  cert_file: path('', 'File with the certificate.'),
  key: text('', 'Private key as PEM.'),
  key_file: path('', 'File with the private key.'),
  client_ca: text('', 'Authorities for client certificates, as PEM.'),
  client_ca_file: path('', 'File with these authorities.'),
  client_auth_type: choice('NoClientCert', CLIENT_AUTH_TYPES, 'What is required of client certificates.'),
  client_allowed_sans: texts('Names of which a client certificate must have one; empty: any.'),
  min_version: choice('TLS12', VERSIONS, 'Oldest version of TLS.'),
  max_version: choice('TLS13', VERSIONS, 'Newest version of TLS.'),
  cipher_suites: choices('Cipher suites up to TLS 1.2.', CIPHER_SUITE_NAMES),
  prefer_server_cipher_suites: toggle(true, "Use the server's order of cipher suites."),
  curve_preferences: choices('Curves for key exchange.', Object.keys(CURVES)),
});

const headers = section('Headers of every response; empty: not sent.', {
  'Strict-Transport-Security': headerValue('Value of the header.'),
  'X-Content-Type-Options': optionalChoice(['nosniff'], 'Value of the header.'),
  'X-Frame-Options': optionalChoice(['deny', 'sameorigin'], 'Value of the header.'),
  'X-XSS-Protection': headerValue('Value of the header.'),
  'Content-Security-Policy': headerValue('Value of the header.'),
});

/** With bcrypt's cost 17 a comparison takes ten seconds of CPU time. */
const HIGHEST_COST = 16;

const MAKE_ONE = "make one with 'htpasswd -nBC 10 NAME'";

/** Users of basic authentication with the bcrypt hashes of their passwords. */
const users = z
  .unknown()
  .transform((value, ctx): ReadonlyMap<string, Secret> => {
    if (!isTree(value)) {
      const message = `must be a mapping, one 'name: hash' per line: ${MAKE_ONE}`;
      ctx.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
    const known = new Map<string, Secret>();
    for (const [name, hash] of Object.entries(value)) {
      const user = parseUser(name, hash);
      if (user.ok) known.set(name, user.value);
      else ctx.addIssue({ code: 'custom', path: [name], message: user.fault });
    }
    return known;
  })
  .prefault({})
  .register(options, {
    kind: 'scalar',
    type: 'users',
    description: 'Users with full access: names with bcrypt hashes of their passwords.',
    fallback: '',
  });

/** Messages never contain the hash: a password can be guessed from it. */
function parseUser(name: string, hash: unknown): Parsed<Secret> {
  if (name === '' || name.includes(':') || hasControlCharacter(name)) {
    return failed('is not a valid user name: a header cannot hold an empty name, a colon or a line break');
  }
  if (hash === undefined) return failed(`has no hash: ${MAKE_ONE}`);
  if (typeof hash !== 'string') return failed(`must be a bcrypt hash: ${MAKE_ONE}`);
  const [, digits] = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(hash) ?? [];
  if (digits === undefined) return failed(`is not a bcrypt hash, which begins with $2y$10$: ${MAKE_ONE}`);
  const cost = Number(digits);
  if (cost < 4) return failed(`has the cost ${cost}, which bcrypt does not support: ${MAKE_ONE}`);
  if (cost > HIGHEST_COST) return failed(`has the cost ${cost}, which takes too long: ${MAKE_ONE}`);
  return ok(new Secret(hash));
}

/** The web configuration file of Prometheus' exporter-toolkit. */
export const webSchema = z
  .strictObject({
    tls_server_config: tls,
    http_server_config: section('HTTP.', {
      http2: toggle(true, 'Ignored: the exporter uses HTTP/1.1.'),
      headers,
    }),
    basic_auth_users: users,
    rate_limit: section('Rate limit of all requests together.', {
      interval: duration('0s', '0s', 'Average time between two requests; 0: no limit.'),
      burst: count(0, 'Number of requests that may come at once.'),
    }),
  })
  .superRefine(checkBounds, { when: ({ value }) => isTree(value) })
  .readonly();

export type WebFile = z.output<typeof webSchema>;

export type TlsSection = WebFile['tls_server_config'];

/** The compared options; of any type where an option is invalid. */
interface WebConfigBounds {
  readonly tls_server_config: {
    readonly min_version: keyof typeof TLS_VERSIONS;
    readonly max_version: keyof typeof TLS_VERSIONS;
  };
  readonly rate_limit: { readonly interval: number; readonly burst: number };
}

function checkBounds({ tls_server_config, rate_limit }: WebConfigBounds, ctx: z.core.$RefinementCtx): void {
  const wrong = (path: string[], message: string) => ctx.addIssue({ code: 'custom', path, message });
  const { min_version, max_version } = tls_server_config;
  if (VERSIONS.indexOf(min_version) > VERSIONS.indexOf(max_version)) {
    wrong(['tls_server_config', 'min_version'], `is ${min_version}, newer than max_version, ${max_version}`);
  }
  if (rate_limit.interval > 0 && rate_limit.burst === 0) {
    wrong(['rate_limit', 'burst'], 'is 0: every request would be refused');
  }
}
