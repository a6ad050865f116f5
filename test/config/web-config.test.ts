import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { ConfigError } from '../../src/config/problem.ts';
import { loadWebConfig, readWebConfig } from '../../src/config/web-config.ts';
import type { ClientRule } from '../../src/config/web-tls.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures');
const INVALID = join(FIXTURES, 'web-config', 'invalid');
const TLS = join(FIXTURES, 'tls');
const scratch = scratchFolder();

const HASH = '$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u';

function write(text: string): string {
  const file = join(scratch, 'web.yml');
  writeFileSync(file, text);
  return file;
}

const tlsWith = (more: string) =>
  loadWebConfig(
    write(`tls_server_config:\n  cert_file: ${TLS}/server.pem\n  key_file: ${TLS}/server-key.pem\n${more}`),
  ).tls;

describe('an invalid file is refused with the message in its first comment', () => {
  for (const name of readdirSync(INVALID)) {
    it(name, () => {
      const file = join(INVALID, name);
      const lines = readFileSync(file, 'utf8').split('\n');
      const expected = lines.filter((line) => line.startsWith('#= ')).map((line) => line.slice(3));
      const message = messageOf(file)
        .replaceAll(INVALID, '/etc/exporter')
        .replaceAll(FIXTURES, '/etc/fixtures');
      expect(message).toBe(expected.join('\n'));
      expect(message).not.toMatch(/secret-in-the-file|abcdefghij/);
    });
  }
});

it('an empty file means plain HTTP without users', () => {
  for (const text of [
    '',
    '# nothing yet\n',
    'tls_server_config:\n',
    'tls_server_config: {}\nbasic_auth_users: {}\n',
  ]) {
    expect(loadWebConfig(write(text))).toEqual({
      tls: undefined,
      headers: [],
      users: new Map(),
      rateLimit: undefined,
    });
  }
});

it('reads every key of the format', () => {
  const config = loadWebConfig(
    write(`tls_server_config:
  cert_file: ${TLS}/server.pem
  key_file: ${TLS}/server-key.pem
  client_ca_file: ${TLS}/ca.pem
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus, 10.0.0.7]
  min_version: TLS11
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256, X25519]
http_server_config:
  http2: false
  headers: { X-Frame-Options: deny, Content-Security-Policy: "" }
basic_auth_users:
  alice: ${HASH}
rate_limit: { interval: 1s, burst: 20 }
`),
  );
  expect(config).toEqual({
    tls: {
      cert: readFileSync(join(TLS, 'server.pem'), 'utf8'),
      key: expect.anything(),
      ca: readFileSync(join(TLS, 'ca.pem'), 'utf8'),
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.3',
      ciphers:
        'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
      ecdhCurve: 'prime256v1:X25519',
      honorCipherOrder: false,
      client: { asked: true, required: true, verified: true, names: ['prometheus', '10.0.0.7'] },
    },
    headers: [['X-Frame-Options', 'deny']],
    users: new Map([['alice', expect.anything()]]),
    rateLimit: { intervalMs: 1000, burst: 20 },
  });
  expect(config.users.get('alice')?.reveal()).toBe(HASH);
  expect(config.tls?.key.reveal()).toBe(readFileSync(join(TLS, 'server-key.pem'), 'utf8'));
  for (const text of [inspect(config, { depth: 9, showHidden: true }), JSON.stringify(config)]) {
    expect(text).not.toMatch(/abcdefghij|PRIVATE/);
  }
});

it('accepts a number for the value of a header', () => {
  const file = write(
    'http_server_config: { headers: { X-XSS-Protection: 1, Strict-Transport-Security: true } }\n',
  );
  expect(loadWebConfig(file).headers).toEqual([
    ['Strict-Transport-Security', 'true'],
    ['X-XSS-Protection', '1'],
  ]);
});

it('refuses a header value that ends in a newline, which would end the process at the first request', () => {
  const value = "|\n      default-src 'self'\n";
  const file = write(`http_server_config:\n  headers:\n    Content-Security-Policy: ${value}`);
  expect(messageOf(file)).toBe(
    'web.yml:3: http_server_config.headers.Content-Security-Policy: must be printable ASCII on one line: put it in quotes, without | or >',
  );
});

it('reads certificate and key from the file itself', () => {
  const indented = (file: string) => readFileSync(join(TLS, file), 'utf8').replace(/^/gm, '    ');
  const text = `tls_server_config:\n  cert: |\n${indented('server.pem')}\n  key: |\n${indented('server-key.pem')}\n`;
  expect(loadWebConfig(write(text)).tls?.key.reveal()).toContain('BEGIN PRIVATE KEY');
});

const CA = `  client_ca_file: ${TLS}/ca.pem\n`;

it.each<[string, string, Omit<ClientRule, 'names'>]>([
  ['NoClientCert', '', { asked: false, required: false, verified: false }],
  ['RequestClientCert', '', { asked: true, required: false, verified: false }],
  ['RequireAnyClientCert', '', { asked: true, required: true, verified: false }],
  ['RequireClientCert', '', { asked: true, required: true, verified: false }],
  ['VerifyClientCertIfGiven', CA, { asked: true, required: false, verified: true }],
  ['RequireAndVerifyClientCert', CA, { asked: true, required: true, verified: true }],
])('reads client_auth_type: %s', (word, more, rule) => {
  expect(tlsWith(`  client_auth_type: ${word}\n${more}`)?.client).toEqual({ ...rule, names: undefined });
});

it('lists every file that it reads, also missing ones', () => {
  const file = write('tls_server_config: { cert_file: a.pem, key_file: 7, client_ca_file: b.pem }\n');
  expect(readWebConfig(file).files).toEqual([file, join(scratch, 'a.pem'), join(scratch, 'b.pem')]);
  expect(readWebConfig(join(scratch, 'not-there.yml')).files).toEqual([join(scratch, 'not-there.yml')]);
});

it('reports a missing file', () => {
  const file = join(scratch, 'not-there.yml');
  expect(() => loadWebConfig(file)).toThrow(`${file}: does not exist: check the path`);
});

/** The message that loading ends with, as if the file were web.yml. */
function messageOf(file: string): string {
  try {
    loadWebConfig(file);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(file, 'web.yml');
    throw error;
  }
  return 'nothing is wrong';
}
