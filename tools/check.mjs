// All checks that must pass before a push: types, lint, dead code, generated files, words, tests. Shows the output of failed steps
// and runs every step.
import { spawnSync } from 'node:child_process';

const withoutTests = process.argv.includes('--no-tests');
const STEPS = [
  ['types', 'npx', ['tsc', '--noEmit']],
  ['modules', 'npm', ['run', '--silent', 'build:modules']],
  ['benches', 'npx', ['tsc', '-p', 'tsconfig.bench.json']],
  ['dashboards', 'npx', ['tsc', '-p', 'tsconfig.grafana.json']],
  ['lint', 'npx', ['biome', 'check', '.']],
  ['dead code', 'npx', ['knip']],
  ['generated files', process.execPath, ['tools/generate.mjs', '--check']],
  ['words', process.execPath, ['tools/check-words.mjs']],
  ...(withoutTests ? [] : [['tests', process.execPath, ['tools/jest.mjs']]]),
];

const failed = [];
for (const [name, command, args] of STEPS) {
  const startedAt = Date.now();
  const run = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  console.log(`${run.status === 0 ? 'ok  ' : 'FAIL'}  ${name} (${seconds} s)`);
  if (run.status === 0) continue;
  failed.push(name);
  console.log(`${run.stdout ?? ''}${run.stderr ?? ''}${run.error ?? ''}`);
}
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(', ')}`);
  process.exit(1);
}
