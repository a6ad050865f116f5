import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const UNITS = join(import.meta.dirname, '..', '..', 'deploy', 'systemd');
const read = (name: string) => readFileSync(join(UNITS, name), 'utf8');

let folder: string;
beforeAll(() => {
  folder = scratchFolder();
  writeFileSync(join(folder, 'token'), 'a-token-of-some-length\n');
  writeFileSync(join(folder, 'api_key'), 'a-key\n');
  writeFileSync(join(folder, 'password'), 'a-password\n');
  copyFileSync(join(import.meta.dirname, '..', 'fixtures', 'tls', 'ca.pem'), join(folder, 'ca.pem'));
  writeFileSync(join(folder, 'config.yml'), '');
});

/** All variables of a text, including commented ones. */
function variables(text: string): Record<string, string> {
  const found = [...text.matchAll(/^#?(?:Environment=)?(LLAMA_\w+)=(.*)$/gm)];
  return Object.fromEntries(
    found.map(([, name = '', value = '']) => [
      name,
      value.replace('%S', '/var/lib').replace('%d', folder).replace('/etc/llama-router-exporter', folder),
    ]),
  );
}

it('the unit and its environment file set existing options, including commented ones', () => {
  const env = {
    ...variables(read('llama-router-exporter.service')),
    ...variables(read('llama-router-exporter.env')),
  };
  expect(Object.keys(env).length).toBe(10);
  const { routers, state, audit, auth, web } = loadConfig({ env, flags: {} });
  expect({
    routers: routers.map(({ url, api_key, username, password }) => {
      return [url, api_key?.reveal(), username, password?.reveal()];
    }),
    tokens: auth.tokens.map(({ token }) => token.reveal()),
    files: [state.file, audit.file],
    listen: web.listen_address,
  }).toEqual({
    routers: [['http://localhost:8080', 'a-key', 'exporter', 'a-password']],
    tokens: ['a-token-of-some-length'],
    files: ['/var/lib/llama-router-exporter/state.json', '/var/lib/llama-router-exporter/audit.jsonl'],
    listen: [{ port: 10_180 }],
  });
});

it('the unit writes only to its state folder', () => {
  const unit = read('llama-router-exporter.service');
  expect(unit).toMatch(/^ProtectSystem=strict$/m);
  const folders = [...unit.matchAll(/^Environment=\w+=%S\/([^/\n]+)\//gm)].map(([, name]) => name);
  expect(folders).toEqual(['llama-router-exporter', 'llama-router-exporter']);
  expect(unit).toMatch(/^StateDirectory=llama-router-exporter$/m);
});

it('the unit limits memory as the image and the documentation do', () => {
  const others = ['Dockerfile', 'docs/performance.md'].map((name) =>
    readFileSync(join(UNITS, '..', '..', name), 'utf8'),
  );
  const limits = [
    ...read('llama-router-exporter.service').matchAll(/--max-[\w-]+=\d+|MALLOC_\w+=\d+/g),
  ].flat();
  expect(limits).toHaveLength(4);
  for (const limit of limits) for (const text of others) expect(text).toContain(limit);
});
