import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The instructions as name and arguments. test/e2e/install.test.ts builds the image. */
const instructions = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)] as const);
const all = (name: string) => instructions.filter(([each]) => each === name).map(([, rest]) => rest);
const last = (name: string) => all(name).at(-1);

it('runs as a user other than root, without a shell, with a health check', () => {
  expect(last('USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  for (const name of ['ENTRYPOINT', 'CMD']) expect(JSON.parse(last(name) ?? '')).not.toEqual([]);
  expect(JSON.parse(last('HEALTHCHECK')?.replace(/^.*? CMD /, '') ?? '')[0]).toBe('node');
  expect(last('EXPOSE')).toBe('10180');
});

it('has the Node.js of the single executables', () => {
  const [, version] = /^export const NODE_VERSION = '(.+)';$/m.exec(read('tools/release/node.mjs')) ?? [];
  expect(read('Dockerfile')).toContain(`node:${version}-`);
});

it('installs the lockfile without running install scripts', () => {
  expect(all('RUN').filter((run) => run.startsWith('npm'))).toEqual(['npm ci --ignore-scripts']);
});

it('copies only files that exist and are not ignored', () => {
  expect(all('ADD')).toEqual([]);
  const [everything, ...allowed] = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(everything).toBe('*');
  const copied = all('COPY')
    .filter((copy) => !copy.startsWith('--from='))
    .flatMap((copy) => copy.split(' ').slice(0, -1));
  expect([...new Set(copied)].sort()).toEqual(allowed.map((line) => line.slice(1)).sort());
  expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});
