import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { verdictOf } from '../../tools/audit.mjs';
import {
  INSTALL_SCRIPTS,
  identifiersIn,
  LIBRARIES,
  LICENCES,
  LICENCES_OF_TOOLS,
  nameOf,
  TOOLS,
  withNeeds,
} from '../../tools/supply-chain.mjs';

interface Package {
  version: string;
  license: string;
  integrity: string;
  hasInstallScript?: boolean;
}

const read = (file: string) => readFileSync(join(import.meta.dirname, '..', '..', file), 'utf8');
const packages = (folder = '') => {
  const { '': _, ...all } = JSON.parse(read(`${folder}package-lock.json`)).packages as Record<
    string,
    Package
  >;
  return all;
};
const product = JSON.parse(read('package.json'));
const locked = packages();
const inProgram = withNeeds(Object.keys(LIBRARIES), locked);
const refused = (folders: readonly string[], licences: readonly string[]) =>
  folders.filter(
    (folder) => !identifiersIn(locked[folder]?.license ?? '?').every((each) => licences.includes(each)),
  );

it('every dependency has a reason, and the package has none', () => {
  const reasons = [...Object.keys(LIBRARIES), ...Object.keys(TOOLS)].sort();
  expect(Object.keys(product.devDependencies).sort()).toEqual(reasons);
  expect(product.dependencies).toBeUndefined();
  expect(product.optionalDependencies).toBeUndefined();
});

it('what a library needs is found in the nearest node_modules', () => {
  const entry = (...needs: string[]) => ({
    version: '1.0.0',
    license: 'MIT',
    integrity: 'sha512-',
    dependencies: Object.fromEntries(needs.map((name) => [name, '*'])),
  });
  const folders = withNeeds(['a'], {
    'node_modules/a': entry('b', 'c'),
    'node_modules/a/node_modules/b': entry('c'),
    'node_modules/b': entry(),
    'node_modules/c': entry('a'),
  });
  expect(folders).toEqual(['node_modules/a', 'node_modules/a/node_modules/b', 'node_modules/c']);
});

it('licences of the program and of tools are permitted', () => {
  expect(inProgram.length).toBeGreaterThan(50);
  expect(refused(inProgram, LICENCES)).toEqual([]);
  expect(refused(Object.keys(locked), LICENCES_OF_TOOLS)).toEqual([]);
});

describe('install scripts', () => {
  it('are only those of known tools, none of which is in the program', () => {
    const scripted = ['', 'tools/draw-dashboards/', 'tools/draw-charts/'].flatMap((folder) =>
      Object.entries(packages(folder)).flatMap(([path, { hasInstallScript }]) =>
        hasInstallScript ? [nameOf(path)] : [],
      ),
    );
    expect([...new Set(scripted)].sort()).toEqual(Object.keys(INSTALL_SCRIPTS).sort());
    expect(inProgram.map(nameOf).filter((name) => scripted.includes(name))).toEqual([]);
  });

  it('run in no installation of the project, and the package has none', () => {
    const files = ['Dockerfile', '.github/workflows/ci.yml', '.github/workflows/release.yml'];
    const installs = files.flatMap((file) => read(file).match(/npm (ci|install|i)\b.*/g) ?? []);
    expect(installs.length).toBeGreaterThan(2);
    // What the release installs globally has no dependencies.
    expect(installs.filter((line) => !/--ignore-scripts|--global|-g /.test(line))).toEqual([]);
    expect(read('tools/ensure-installed.mjs')).toContain("'--ignore-scripts'");
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(product.scripts[script]).toBeUndefined();
  });
});

it('the lockfile has a checksum for every package', () => {
  const all = Object.entries(locked);
  expect(all.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([path]) => path)).toEqual(
    [],
  );
});

it('Dependabot updates the libraries of the program one by one, the tools together', () => {
  const { updates } = parse(read('.github/dependabot.yml')) as {
    updates: {
      'package-ecosystem': string;
      directory: string;
      groups?: { tools?: { patterns: string[] } };
    }[];
  };
  expect(updates.map((each) => `${each['package-ecosystem']} ${each.directory}`)).toEqual([
    'npm /',
    'npm /tools/draw-dashboards',
    'npm /tools/draw-charts',
    'github-actions /',
    'docker /',
  ]);
  expect(updates[0]?.groups?.tools?.patterns).toEqual(Object.keys(TOOLS));
});

describe('an audit', () => {
  const vulnerable = (name: string, severity: string, node = `node_modules/${name}`) => ({
    vulnerabilities: {
      [name]: { name, severity, nodes: [node], via: [{ title: 'Slow', url: 'https://a' }] },
    },
  });

  it.each([
    ['no advisory', { vulnerabilities: {} }, 'clean', 'No advisory about a library of the program.'],
    [
      'a low one of a library',
      vulnerable('zod', 'low'),
      'vulnerable',
      'FAIL  low zod (in the program): Slow https://a',
    ],
    [
      'a moderate one of a tool',
      vulnerable('jest', 'moderate'),
      'clean',
      'note  moderate jest (tool): Slow https://a',
    ],
    [
      'a severe one of a tool',
      vulnerable('jest', 'high'),
      'vulnerable',
      'FAIL  high jest (tool): Slow https://a',
    ],
    [
      'one of a library in a version that only a tool has',
      vulnerable('zod', 'low', 'node_modules/knip/node_modules/zod'),
      'clean',
      'note  low zod (tool): Slow https://a',
    ],
    [
      'a registry that answers no audits',
      { message: '405 Method Not Allowed' },
      'not audited',
      'NOT AUDITED, nothing is known about advisories: 405 Method Not Allowed',
    ],
    ['no report', {}, 'not audited', 'NOT AUDITED, nothing is known about advisories: npm gave no report'],
  ])('with %s', (_, report, verdict, line) => {
    const found = verdictOf(report, ['node_modules/zod']);
    expect(found.verdict).toBe(verdict);
    expect(found.lines[0]).toBe(line);
  });
});
