import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, it } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { asNobody } from '../support/as-nobody.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const scratch = scratchFolder();

const FILE = join(import.meta.dirname, '..', 'fixtures', 'config', 'valid', 'several-routers.yml');

const keysOf = (env: Record<string, string>, file?: string) =>
  loadConfig({ file, env, flags: {} }).routers.map(({ api_key }) => api_key?.reveal());

function keyFile(content: string): string {
  const file = join(scratch, 'key');
  writeFileSync(file, content);
  return file;
}

it('reads an API key from the file or from a file of its own', () => {
  expect(keysOf({}, FILE)).toEqual(['written-in-the-file', 'written-in-its-own-file', undefined]);
});

it('the API key in the environment applies to every router without one', () => {
  expect(keysOf({ LLAMA_API_KEY: 'of-all' }, FILE)).toEqual([
    'written-in-the-file',
    'written-in-its-own-file',
    'of-all',
  ]);
  expect(keysOf({ LLAMA_API_KEY: 'of-all', LLAMA_SERVER_URL: 'http://a,http://b' })).toEqual([
    'of-all',
    'of-all',
  ]);
  expect(keysOf({ LLAMA_API_KEY: 'of-all' })).toEqual(['of-all']);
  expect(keysOf({ LLAMA_API_KEY: '', LLAMA_API_KEY_FILE: '' })).toEqual([undefined]);
});

it('ignores one newline at the end of a secret file, and refuses more', () => {
  const read = (content: string) => keysOf({ LLAMA_API_KEY_FILE: keyFile(content) })[0];
  expect([read('key'), read('key\n'), read('key\r\n'), read(' key ')]).toEqual([
    'key',
    'key',
    'key',
    ' key ',
  ]);
  const env = { LLAMA_SERVER_USERNAME: 'me', LLAMA_SERVER_PASSWORD_FILE: keyFile('sk-1\n\n') };
  expect(() => keysOf(env)).toThrow(
    /^LLAMA_SERVER_PASSWORD_FILE: \S+ has a line break: write it on one line$/,
  );
});

it.each([
  ['k1,k2', 'k1'],
  [',k2', 'k2'],
  ['"a,b",k2', 'a,b'],
  ['"a""b"', 'a"b'],
  ['a"b,k2', 'a"b'],
  ['#k1', '#k1'],
  ['# one\nk1\nk2\n', 'k1'],
])('takes the first key of several in a variable, as llama-server reads them: %j', (text, key) => {
  expect(keysOf({ LLAMA_API_KEY: text })).toEqual([key]);
});

it.each([
  ['k1\nk2\n', 'k1'],
  ['# the first\n\nk1\n# the second\nk2\n', 'k1'],
  ['# Windows\r\n\r\nk1\r\nk2\r\n', 'k1'],
  ['\n\n k1 \n', ' k1 '],
  ['k1,k2\n', 'k1'],
])('takes the first key of a key file of llama-server: %j', (text, key) => {
  expect(keysOf({ LLAMA_API_KEY_FILE: keyFile(text) })).toEqual([key]);
});

it('refuses a key file without a key', () => {
  expect(() => keysOf({ LLAMA_API_KEY_FILE: keyFile('# none yet\n\n') })).toThrow(
    /^LLAMA_API_KEY_FILE: \S+ is empty: write the secret there, or leave it out$/,
  );
});

it('takes commas and comment signs in passwords and tokens as they are', () => {
  const env = { LLAMA_SERVER_USERNAME: 'me', LLAMA_SERVER_PASSWORD: '#a,b' };
  expect(loadConfig({ env, flags: {} }).routers[0]?.password?.reveal()).toBe('#a,b');
});

it('refuses a secret given twice, an empty file and a missing file', () => {
  const file = keyFile('\n');
  expect(() => keysOf({ LLAMA_API_KEY: 'sk-1', LLAMA_API_KEY_FILE: file })).toThrow(
    'LLAMA_API_KEY: is given both directly and by a file: keep one of them',
  );
  expect(() => keysOf({ LLAMA_API_KEY_FILE: file })).toThrow(
    `LLAMA_API_KEY_FILE: ${file} is empty: write the secret there, or leave it out`,
  );
  expect(() => keysOf({ LLAMA_API_KEY_FILE: '/not/there' })).toThrow(
    'LLAMA_API_KEY_FILE: /not/there does not exist: check the path',
  );
});

it('reports a secret file without read permission, and the user that needs it', async () => {
  const file = keyFile('key');
  chmodSync(file, 0o000);
  await asNobody(() => {
    expect(() => keysOf({ LLAMA_API_KEY_FILE: file })).toThrow(
      /cannot be read: permission denied. Make it readable for user \d+$/,
    );
  });
});

it('never prints a secret', () => {
  const config = loadConfig({ file: FILE, env: {}, flags: {} });
  for (const text of [
    JSON.stringify(config),
    inspect(config, { depth: 9, showHidden: true }),
    `${config.routers[0]?.api_key}`,
  ]) {
    expect(text).not.toContain('written-in');
  }
});

it('reads tokens from the file, from files of their own, or one from the environment', () => {
  const tokensOf = (env: Record<string, string>, text?: string) => {
    const file = text === undefined ? undefined : join(scratch, 'tokens.yml');
    if (file !== undefined) writeFileSync(file, text ?? '');
    return loadConfig({ file, env, flags: {} }).auth.tokens.map(({ token, ...rest }) => ({
      ...rest,
      token: token.reveal(),
    }));
  };
  keyFile('in-a-file-of-its-own\n');
  const text = `auth:
  tokens:
    - { name: alertmanager, token_file: key, routers: [gpu-*] }
    - { name: curious, token: in-the-file-itself, dry_run: true }
`;
  expect(tokensOf({}, text)).toEqual([
    { name: 'alertmanager', token: 'in-a-file-of-its-own', routers: ['gpu-*'], dry_run: false },
    { name: 'curious', token: 'in-the-file-itself', routers: [], dry_run: true },
  ]);
  const alone = (token: string) => [{ name: 'default', token, routers: [], dry_run: false }];
  expect(tokensOf({ LLAMA_ROUTER_EXPORTER_TOKEN: 'of-the-environment' }, text)).toEqual(
    alone('of-the-environment'),
  );
  expect(tokensOf({ LLAMA_ROUTER_EXPORTER_TOKEN_FILE: join(scratch, 'key') })).toEqual(
    alone('in-a-file-of-its-own'),
  );
  expect(() => tokensOf({ LLAMA_ROUTER_EXPORTER_TOKEN: 'short' })).toThrow(
    "LLAMA_ROUTER_EXPORTER_TOKEN: auth.tokens[0].token: must be at least 16 ASCII letters, digits or punctuation, for example from 'openssl rand -hex 32'",
  );
  expect(() =>
    tokensOf({ LLAMA_ROUTER_EXPORTER_TOKEN: 'of-the-environment', LLAMA_ROUTER_EXPORTER_TOKEN_FILE: 'key' }),
  ).toThrow(
    'LLAMA_ROUTER_EXPORTER_TOKEN: auth.tokens[0].token: is given both directly and by a file: keep one of them',
  );
});
