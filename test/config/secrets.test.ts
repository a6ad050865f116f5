import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, expect, it } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { asNobody } from '../support/as-nobody.ts';

const scratch = mkdtempSync(join(tmpdir(), 'secrets-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const FILE = join(import.meta.dirname, '..', 'fixtures', 'config', 'valid', 'several-routers.yml');

const keysOf = (env: Record<string, string>, file?: string) =>
  loadConfig({ file, env, flags: {} }).routers.map(({ api_key }) => api_key?.reveal());

function keyFile(content: string): string {
  const file = join(scratch, 'key');
  writeFileSync(file, content);
  return file;
}

it('takes a key from the file itself or from a file beside it', () => {
  expect(keysOf({}, FILE)).toEqual(['written-in-the-file', 'written-in-its-own-file', undefined]);
});

it('gives the key of the environment to every router that has none', () => {
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

it('takes one newline off the end of a secret file and no more', () => {
  const read = (content: string) => keysOf({ LLAMA_API_KEY_FILE: keyFile(content) })[0];
  expect([read('key'), read('key\n'), read('key\r\n'), read(' key ')]).toEqual([
    'key',
    'key',
    'key',
    ' key ',
  ]);
  expect(() => read('sk-1\n\n')).toThrow(
    /^LLAMA_API_KEY_FILE: \S+ holds a line break: write it on one line$/,
  );
});

it('refuses a secret given twice, an empty file and one that is not there', () => {
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

it('tells when a secret file may not be read', async () => {
  const file = keyFile('key');
  chmodSync(file, 0o000);
  await asNobody(() => {
    expect(() => keysOf({ LLAMA_API_KEY_FILE: file })).toThrow('permission denied');
  });
});

it('never shows a secret, however the configuration is printed', () => {
  const config = loadConfig({ file: FILE, env: {}, flags: {} });
  for (const text of [
    JSON.stringify(config),
    inspect(config, { depth: 9, showHidden: true }),
    `${config.routers[0]?.api_key}`,
  ]) {
    expect(text).not.toContain('written-in');
  }
});
