import * as z from 'zod';
import { failed, ok } from '../lib/result.ts';
import { Secret } from '../lib/secret.ts';
import * as f from './fields.ts';
import { isTree } from './layer.ts';
import { options } from './options.ts';
import { CIPHER_SUITE_NAMES, CLIENT_AUTH_TYPES, CURVES, TLS_VERSIONS } from './tls-names.ts';
import { hasControlCharacter, type Parsed, parseChoice, parseHeaderValue } from './values.ts';

const VERSIONS = Object.keys(TLS_VERSIONS) as (keyof typeof TLS_VERSIONS)[];

const choices = (description: string, known: readonly string[]) =>
  f.texts(description, '', (text) =>
    known.includes(text) ? ok(text) : failed(`'${text}' is not one of ${known.join(', ')}`),
  );

const header = (parse: (value: unknown) => Parsed<string> = parseHeaderValue) =>
  f.option('', 'text', 'Value of the header.', (value) => (value === '' ? ok('') : parse(value)));

const tls = f.section('TLS; empty: plain HTTP.', {
  cert: f.text('', 'Certificate as PEM.'),
  cert_file: f.path('', 'File with the certificate.'),
  key: f.text('', 'Private key as PEM.'),
  key_file: f.path('', 'File with the private key.'),
  client_ca: f.text('', 'Authorities for client certificates, as PEM.'),
  client_ca_file: f.path('', 'File with these authorities.'),
  client_auth_type: f.choice('NoClientCert', CLIENT_AUTH_TYPES, 'What is required of client certificates.'),
  client_allowed_sans: f.texts('Names of which a client certificate must have one; empty: any.'),
  min_version: f.choice('TLS12', VERSIONS, 'Oldest version of TLS.'),
  max_version: f.choice('TLS13', VERSIONS, 'Newest version of TLS.'),
  cipher_suites: choices('Cipher suites up to TLS 1.2.', CIPHER_SUITE_NAMES),
  prefer_server_cipher_suites: f.toggle(true, "Use the server's order of cipher suites."),
  curve_preferences: choices('Curves for key exchange.', Object.keys(CURVES)),
});

const headers = f.section('Headers of every response; empty: not sent.', {
  'Strict-Transport-Security': header(),
  'X-Content-Type-Options': header((value) => parseChoice(value, ['nosniff'])),
  'X-Frame-Options': header((value) => parseChoice(value, ['deny', 'sameorigin'])),
  'X-XSS-Protection': header(),
  'Content-Security-Policy': header(),
});

/** The costs that bcrypt supports, without those that take more than five seconds of CPU time. */
const BCRYPT_HASH = /^\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}$/;

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
  if (typeof hash === 'string' && BCRYPT_HASH.test(hash)) return ok(new Secret(hash));
  return failed(`must be a bcrypt hash with a cost of 4 to 16: ${MAKE_ONE}`);
}

/** The web configuration file of Prometheus' exporter-toolkit. */
const sections = z.strictObject({
  tls_server_config: tls,
  http_server_config: f.section('HTTP.', {
    http2: f.toggle(true, 'Ignored: the exporter uses HTTP/1.1.'),
    headers,
  }),
  basic_auth_users: users,
  rate_limit: f.section('Rate limit of all requests together.', {
    interval: f.duration('0s', '0s', 'Average time between two requests; 0: no limit.'),
    burst: f.count(0, 'Number of requests that may come at once.'),
  }),
});

export const webSchema = f.checked(sections, checkBounds).readonly();

export type WebFile = z.output<typeof webSchema>;

export type TlsSection = WebFile['tls_server_config'];

function checkBounds({ tls_server_config, rate_limit }: z.output<typeof sections>, wrong: f.Wrong): void {
  const { min_version, max_version } = tls_server_config;
  if (VERSIONS.indexOf(min_version) > VERSIONS.indexOf(max_version)) {
    wrong(['tls_server_config', 'min_version'], `is ${min_version}, newer than max_version, ${max_version}`);
  }
  if (rate_limit.interval > 0 && rate_limit.burst === 0) {
    wrong(['rate_limit', 'burst'], 'is 0: every request would be refused');
  }
}
