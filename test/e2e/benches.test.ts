import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runBench } from '../support/bench.ts';
import { type RealRouter, startRealRouter } from '../support/real-router.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

/** Every bench in its shortest useful form: it ends, and prints figures. What the figures are is not tested here. */

const ROOT = join(import.meta.dirname, '..', '..');
const FOLDER = join(ROOT, 'bench');

/** The flags of benches that need no real router. */
const SHORT: Readonly<Record<string, string>> = {
  burst: '--models=50 --scrapes=5 --seconds=1',
  churn: '--names=100 --points=2',
  driver: '--rounds=2',
  engine: '--models=3 --rounds=2 --warmup=1',
  gate: '--series=200 --rounds=2 --warmup=1',
  idle: '--routers=2 --models=5 --seconds=2 --scrape=1',
  install: `--rounds=1 --files=${scratchFolder()}`,
  latency: '--transitions=4 --pause=100',
  memory: '--processes=100 --readings=3',
  scale: '--fleets=1x20,2x20 --settle=1 --seconds=1 --scrape=1 --scrapes=3 --transitions=2',
  scrape: '--series=200 --rounds=2 --warmup=1',
  'side-by-side': '--seconds=4 --models=3 --stay=1 --poll=1 --rounds=1 --settle=1 --scrapes=3',
  start: '--rounds=1',
};

/** Benches with a real router, with how many models it keeps. */
const REAL: Readonly<Record<string, { flags: string; modelsMax: number }>> = {
  evictions: { flags: '--pairs=2 --rounds=1', modelsMax: 1 },
  hold: { flags: '--models=2 --rounds=1', modelsMax: 0 },
  unload: { flags: '--models=2 --rounds=1', modelsMax: 0 },
};

/** Where other benches run. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  abuse: 'test/e2e/abuse.test.ts',
  endurance: '.ci/run, for ten minutes: its promises are about a steady state',
  ledger: 'test/e2e/ledger.test.ts',
  soak: 'test/e2e/engine.test.ts is what it runs',
  threshold: 'test/e2e/chain.test.ts is what it runs, which takes half a minute',
};

const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.mjs'))
  .filter((file) => readFileSync(join(FOLDER, file), 'utf8').includes('\nexport const usage ='))
  .map((file) => file.replace('.mjs', ''))
  .sort();

it('every bench runs in a test', () => {
  expect([SHORT, REAL, ELSEWHERE].flatMap(Object.keys).sort()).toEqual(names);
});

it('the overview names every bench', async () => {
  const { code, err } = await runBench('', []);
  expect(code).toBe(2);
  const listed = [...err.matchAll(/^ {2}([\w-]+)/gm)].map(([, name]) => name);
  expect(listed.sort()).toEqual(names);
});

it.each(['soak', 'threshold'])('%s runs tests that exist', (name) => {
  const bench = readFileSync(join(FOLDER, `${name}.mjs`), 'utf8');
  const suite = readFileSync(join(ROOT, /test\/e2e\/\w+\.test\.ts/.exec(bench)?.[0] ?? ''), 'utf8');
  const [, pattern = ''] = /'--testNamePattern', '(.+?)'/.exec(bench) ?? [];
  for (const part of pattern.split('|')) expect(suite).toMatch(new RegExp(`(it|describe)\\('.*${part}`));
});

beforeAll(() => {
  // The files of a release that every machine can make.
  const files = SHORT.install?.split('--files=')[1] ?? '';
  const { status, stderr } = spawnSync('npm', ['pack', '--ignore-scripts', `--pack-destination=${files}`], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(status === 0 ? '' : stderr).toBe('');
});

it.each(Object.entries(SHORT))('%s ends and prints figures', async (name, flags) => {
  expectFigures(await runBench(name, flags.split(' '), { LLAMA_SERVER_URL: '' }));
});

describe.each(Object.entries(REAL))('with a real router', (name, { flags, modelsMax }) => {
  let router: RealRouter;

  beforeAll(async () => {
    // The card that `hold` plays counts every process with such a model on this machine.
    const models = ['a', 'b'].map((letter) => `tiny-${name}-${process.pid}-${letter}`);
    router = await startRealRouter({ models, modelsMax });
  });
  afterAll(() => router?.stop());

  it(`${name} ends and prints figures`, async () => {
    expectFigures(await runBench(name, flags.split(' '), { LLAMA_SERVER_URL: router.url }));
  });
});

/** Every table has rows, and every row figures. */
function expectFigures({ code, out, err }: Awaited<ReturnType<typeof runBench>>): void {
  expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
  const lines = out.split('\n');
  const rules = lines.flatMap((line, at) => (/^\|[-:|]+\|$/.test(line) ? [at] : []));
  expect(rules).not.toEqual([]);
  for (const rule of rules) {
    const end = lines.findIndex((line, at) => at > rule && !line.startsWith('|'));
    const rows = lines.slice(rule + 1, end);
    expect(rows).not.toEqual([]);
    for (const row of rows) expect(row).toMatch(/\| +[<≈]?\d/);
  }
  expect(out).not.toMatch(/NaN|Infinity|undefined|\[object/);
}
