import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problem.ts';
import { cpuMs } from '../support/cpu-time.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const INVALID = join(import.meta.dirname, '..', 'fixtures', 'config', 'invalid');
const scratch = scratchFolder();

/** The message that loading ends with, as if the file were /etc/exporter/config.yml. */
function messageOf(file: string, env: Record<string, string> = {}, flags = {}): string {
  try {
    loadConfig({ file, env, flags });
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(file, 'config.yml');
    throw error;
  }
  return 'nothing is wrong';
}

function write(text: string): string {
  const file = join(scratch, 'written.yml');
  writeFileSync(file, text);
  return file;
}

describe('an invalid file is refused with the message in its first comment', () => {
  for (const name of readdirSync(INVALID)) {
    it(name, () => {
      const file = join(INVALID, name);
      const lines = readFileSync(file, 'utf8').split('\n');
      const expected = lines.filter((line) => line.startsWith('#= ')).map((line) => line.slice(3));
      const message = messageOf(file).replaceAll(INVALID, '/etc/exporter');
      expect(message).toBe(expected.join('\n'));
      expect(message).not.toContain('secret-in-the-file');
    });
  }
});

it('refuses a missing file, a folder, and a file that is too large or nested too deeply', () => {
  expect(messageOf(join(scratch, 'missing.yml'))).toBe('config.yml: does not exist: check the path');
  expect(messageOf(scratch)).toBe('config.yml: is a directory: name a file in it');
  expect(messageOf(write(`#${' '.repeat(1024 * 1024)}`))).toBe(
    'config.yml: is larger than 1 MiB: name the right file',
  );
  expect(messageOf(write('['.repeat(100_000)))).toMatch(/^config\.yml:?.*(not valid YAML|nested too deeply)/);
});

it('refuses an alias bomb', () => {
  const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(9)}]`);
  expect(messageOf(write(['l0: &l0 [x]', ...levels].join('\n')))).toBe(
    'config.yml: uses an alias without an anchor, or too many aliases: a value that begins with * needs quotes',
  );
});

it('reads many keys, and many slashes in a URL, in linear time', () => {
  const keys = Array.from({ length: 15_000 }, (_, i) => `      k${i}: v\n`).join('');
  const url = `http://a${'/'.repeat(100_000)}x`;
  const file = write(`routers:\n  - url: ${url}\n    labels:\n${keys}`);
  expect(cpuMs(() => expect(messageOf(file)).toBe('nothing is wrong'))).toBeLessThan(5000);
});

it('reports the first 100 of many problems', () => {
  const keys = Array.from({ length: 5000 }, (_, i) => `key${i}: v\n`).join('');
  const lines = messageOf(write(keys)).split('\n');
  expect(lines).toHaveLength(101);
});

it('an empty file, or one of comments, means the defaults', () => {
  for (const text of ['', '# nothing yet\n', '---\n', 'web:\nrouters:\n']) {
    expect(messageOf(write(text))).toBe('nothing is wrong');
  }
});

it('never repeats the text around a syntax error, which may be a secret', () => {
  for (const key of [
    '"sk-1',
    '*sk-1',
    '!sk-1',
    '%sk-1',
    '@sk-1',
    'a: sk-1',
    '[sk-1',
    '|sk-1',
    '"\\sk-1"',
    'x" sk-1',
  ]) {
    const message = messageOf(write(`routers:\n  - url: http://a\n    api_key: ${key}\n  - url: nonsense\n`));
    expect(message).not.toContain('sk-1');
    expect(message).not.toBe('nothing is wrong');
  }
});

it('reports the problems of all sources at once', () => {
  const file = write('log:\n  level: loud\nweb:\n  telemetry_path: metrics\n');
  const env = {
    LLAMA_SERVER_URL: 'http://a,b',
    LLAMA_ROUTER_EXPORTER_WEB_LISTEN_ADDRESS: 'localhost',
    LLAMA_ROUTER_EXPORTER_LOG_LEVL: 'warn',
  };
  expect(messageOf(file, env, { 'follow.request_timeout': '1s', 'follow.request-timeout': 'soon' })).toBe(
    `6 problems:
  --follow.request-timeout: 'soon' is not a duration: write it like 30s, 1h30m or 500ms
  config.yml:2: log.level: 'loud' is not one of debug, info, warn, error
  config.yml:4: web.telemetry_path: 'metrics' is not a path like /metrics: use letters, digits and . _ ~ - after single slashes
  LLAMA_ROUTER_EXPORTER_LOG_LEVL: unknown variable: did you mean 'LLAMA_ROUTER_EXPORTER_LOG_LEVEL'?
  LLAMA_ROUTER_EXPORTER_WEB_LISTEN_ADDRESS: is not a host and port: write it like 'localhost:10180', '[::1]:10180', ':10180' or 'unix:/run/exporter.sock'
  LLAMA_SERVER_URL: routers[1].url: 'b' must start with http:// or https://: write 'http://b'`,
  );
});

it('reports options from different sources that contradict each other', () => {
  expect(messageOf(write(''), {}, { 'follow.reconnect-max': '100ms' })).toBe(
    'follow.reconnect_min: is 500ms, longer than reconnect_max, 100ms: lower it or raise the other',
  );
});
