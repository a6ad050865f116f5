import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { configurationDocument } from '../../src/config/document.ts';
import { GUIDE } from '../../src/config/guide.ts';
import { loadConfig } from '../../src/config/load.ts';
import { nodesOf, optionsOf } from '../../src/config/options.ts';
import { formatPlace } from '../../src/config/place.ts';
import { configSchema } from '../../src/config/schema.ts';
import { loadWebConfig } from '../../src/config/web-config.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const TLS = join(ROOT, 'test', 'fixtures', 'tls');
const EXAMPLE = join(ROOT, 'config.example.yml');
const read = (file: string) => readFileSync(file, 'utf8');

it('docs/configuration.md is as generated: npm run generate writes it', () => {
  expect(read(join(ROOT, 'docs', 'configuration.md'))).toBe(configurationDocument());
});

it('the document has a row for every option', () => {
  for (const { path } of optionsOf())
    expect(configurationDocument()).toContain(`| \`${formatPlace(path)}\` |`);
});

it('the example loads, and what it shows are the defaults', () => {
  expect(loadConfig({ file: EXAMPLE, env: {}, flags: {} })).toEqual(loadConfig({ env: {}, flags: {} }));
});

it('the example names every option once', () => {
  const keys = [...read(EXAMPLE).matchAll(/^ +(?:# *)?(?:- )?([a-z_]+):/gm)].map(([, key]) => key);
  const inSections = nodesOf(configSchema).filter(({ path }) => path.length > 1);
  const wanted = inSections.map(({ path }) => path.at(-1));
  expect(keys.toSorted()).toEqual(wanted.toSorted());
});

it('the guide shows the errors that a file really gets, and examples that load', () => {
  const blocks = [...GUIDE.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language, text = '']) => ({
    language,
    text,
  }));
  const shown = blocks.find(({ language }) => language === 'text')?.text.trim();
  const several = blocks.find(({ text }) => text.startsWith('routers:'))?.text ?? '';
  const scratch = mkdtempSync(join(tmpdir(), 'guide-'));
  const load = (text: string) => {
    const file = join(scratch, 'config.yml');
    writeFileSync(file, text.replace('/run/secrets/attic_api_key', 'key'));
    writeFileSync(join(scratch, 'key'), 'sk-1\n');
    return loadConfig({ file, env: {}, flags: {} });
  };
  try {
    expect(load(several).routers.map(({ name }) => name)).toEqual(['gpu-box', 'attic']);
    expect(() => load('routers:\n  - url: gpu-box:8080\nfollow:\n  listing_intervall: 1m\n')).toThrow(
      shown?.replaceAll('config.yml', join(scratch, 'config.yml')),
    );
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

it('the configurations that docs/security.md shows can be loaded', () => {
  const text = read(join(ROOT, 'docs', 'security.md'));
  const block = (name: string) => text.split(`# ${name}\n`)[1]?.split('```')[0] ?? '';
  const scratch = mkdtempSync(join(tmpdir(), 'security-'));
  const put = (name: string, content: string) => {
    writeFileSync(join(scratch, name), content);
    return join(scratch, name);
  };
  try {
    put('alertmanager_token', 'a-token-of-its-own');
    put('curious_token', 'another-of-its-own');
    put('cert.pem', read(join(TLS, 'server.pem')));
    put('key.pem', read(join(TLS, 'server-key.pem')));
    const file = put('config.yml', block('config.yml').replaceAll('/run/secrets/', ''));
    const { tokens } = loadConfig({ file, env: {}, flags: {} }).auth;
    expect(tokens.map(({ name, routers, dry_run }) => [name, routers, dry_run])).toEqual([
      ['alertmanager', ['gpu-*'], false],
      ['curious', [], true],
    ]);
    const web = loadWebConfig(put('web.yml', block('web.yml')));
    expect([...web.users.keys(), web.tls?.client.asked]).toEqual(['prometheus', false]);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
