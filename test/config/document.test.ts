import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { CONFIG_NODES } from '../../src/config/schema.ts';
import { loadWebConfig } from '../../src/config/web-config.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const TLS = join(ROOT, 'test', 'fixtures', 'tls');
const EXAMPLE = join(ROOT, 'config.example.yml');
const read = (...path: string[]) => readFileSync(join(...path), 'utf8');

const scratch = scratchFolder();

function write(name: string, content: string): string {
  writeFileSync(join(scratch, name), content);
  return join(scratch, name);
}

const load = (text: string) => loadConfig({ file: write('config.yml', text), env: {}, flags: {} });

it('config.example.yml has every option once, with its default', () => {
  expect(loadConfig({ file: EXAMPLE, env: {}, flags: {} })).toEqual(loadConfig({ env: {}, flags: {} }));
  const keys = [...read(EXAMPLE).matchAll(/^ +(?:# *)?(?:- )?([a-z_]+):/gm)].map(([, key]) => key);
  const known = CONFIG_NODES.filter(({ path }) => path.length > 1).map(({ path }) => path.at(-1));
  expect(keys.toSorted()).toEqual(known.toSorted());
});

it('docs/configuration.md shows the problems as they are reported, and an example that loads', () => {
  const text = read(ROOT, 'docs', 'configuration.md');
  const blocks = [...text.matchAll(/```(\w+)\n([\s\S]*?)```/g)];
  const problems = blocks.find(([, language]) => language === 'text')?.[2]?.trim() ?? '';
  const example = blocks.find(([, , block]) => block?.startsWith('routers:'))?.[2] ?? '';
  write('key', 'sk-1\n');
  const { routers } = load(example.replace('/run/secrets/attic_api_key', 'key'));
  expect(routers.map(({ name }) => name)).toEqual(['gpu-box', 'attic']);
  expect(() => load('routers:\n  - url: gpu-box:8080\nfollow:\n  listing_intervall: 1m\n')).toThrow(
    problems.replaceAll('config.yml', join(scratch, 'config.yml')),
  );
});

it('docs/configuration.md shows ways to reach a router that load', () => {
  const blocks = read(ROOT, 'docs', 'configuration.md').split('```');
  const example = blocks.find((block) => block.includes('url: unix:')) ?? '';
  write('key', 'sk-1\n');
  const local = example
    .replace('yaml\n', '')
    .replaceAll(/\/run\/secrets\/\w+/g, 'key')
    .replace('/etc/ssl/gpu-box-ca.pem', join(TLS, 'ca.pem'));
  expect(load(local).routers.map(({ name }) => name)).toEqual([
    '/run/llama/llama.sock',
    'gpu-box:8443',
    'llama.example:443',
    'gpu-box.lan:8080',
    'llama-server:8080',
  ]);
});

it('the examples in docs/security.md load', () => {
  const text = read(ROOT, 'docs', 'security.md');
  const block = (name: string) => text.split(`# ${name}\n`)[1]?.split('```')[0] ?? '';
  write('alertmanager_token', 'a-token-of-its-own');
  write('curious_token', 'another-of-its-own');
  write('cert.pem', read(TLS, 'server.pem'));
  write('key.pem', read(TLS, 'server-key.pem'));
  const { tokens } = load(block('config.yml').replaceAll('/run/secrets/', '')).auth;
  expect(tokens.map(({ name, routers, dry_run }) => [name, routers, dry_run])).toEqual([
    ['alertmanager', ['gpu-*'], false],
    ['curious', [], true],
  ]);
  const web = loadWebConfig(write('web.yml', block('web.yml')));
  expect([...web.users.keys(), web.tls?.client.asked]).toEqual(['prometheus', false]);
});
