import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { runGoProgram } from '../support/helm.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const FOLDER = join(ROOT, '.github', 'workflows');
const files = readdirSync(FOLDER).map((name): [string, string] => [name, join(FOLDER, name)]);
const lint = (args: string[], input = '') =>
  runGoProgram('actionlint', ['-no-color', '-shellcheck=/usr/bin/shellcheck', '-pyflakes=', ...args], input);

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly uses?: string;
  readonly steps?: readonly { readonly run?: string; readonly uses?: string }[];
}

const read = (file: string) => readFileSync(file, 'utf8');

it('there are two workflows: for every change, and for a release', () => {
  expect(files.map(([name]) => name).toSorted()).toEqual(['ci.yml', 'release.yml']);
});

describe.each(files)('%s', (_name, file) => {
  const text = read(file);
  const { permissions, jobs } = parse(text) as Workflow;

  it('passes actionlint, its scripts shellcheck', () => {
    expect(lint([file])).toEqual({ code: 0, out: '', err: '' });
  });

  it('pins actions by commit, with their version', () => {
    const uses = [...text.matchAll(/uses: (?!\.\/)(.+)$/gm)].map(([, action]) => action);
    expect(uses.length).toBeGreaterThan(2);
    expect(
      uses.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action ?? '')),
    ).toEqual([]);
    expect(new Map(uses.map((action) => action?.split('@') as [string, string])).size).toBe(
      new Set(uses).size,
    );
  });

  it('has read permission only, unless a job declares more', () => {
    expect(Object.entries(permissions).filter(([, may]) => may !== 'read')).toEqual([]);
    for (const job of Object.values(jobs)) expect(job.uses ?? job['timeout-minutes']).toBeDefined();
  });

  it('calls only existing files', () => {
    const scripts = Object.values(jobs).flatMap(({ steps = [] }) => steps.flatMap(({ run }) => run ?? []));
    const called = scripts.join('\n').match(/(?:tools\/[\w-]+\.mjs|\.ci\/\w+)/g) ?? [];
    expect(called.length).toBeGreaterThan(0);
    for (const path of called) expect([path, existsSync(join(ROOT, path))]).toEqual([path, true]);
  });
});

it('actionlint rejects an invalid workflow', () => {
  const wrong = read(join(FOLDER, 'ci.yml'))
    .replace('matrix.node', 'matrix.nodes')
    .replace('.ci/run', 'echo $X');
  const { code, out } = lint(['-'], wrong);
  expect(code).toBe(1);
  for (const word of ['"nodes" is not defined', 'SC2086']) expect(out).toContain(word);
});

it('a release runs all checks of a change before it publishes', () => {
  const { jobs } = parse(read(join(FOLDER, 'release.yml'))) as {
    jobs: Record<string, Job & { needs?: string | string[] }>;
  };
  const before = (name: string): string[] =>
    [jobs[name]?.needs ?? []].flat().flatMap((need) => [need, ...before(need)]);
  expect(jobs.ci?.uses).toBe('./.github/workflows/ci.yml');
  for (const name of ['files', 'linux', 'package', 'image', 'chart', 'release'])
    expect(before(name)).toEqual(expect.arrayContaining(['notes', 'ci']));
  expect(read(join(FOLDER, 'ci.yml'))).toMatch(/- run: \.ci\/run\n/);
});
