// Everything that must hold before a push, in one go: types, lint, dead code, generated files, tests.
// Each step's output is shown when it fails; the first failure does not hide the others.
import { spawnSync } from 'node:child_process';

const withoutTests = process.argv.includes('--no-tests');
const STEPS = [
  ['types', 'npx', ['tsc', '--noEmit']],
  ['build', 'npx', ['tsc', '-p', 'tsconfig.build.json']],
  ['dashboards', 'npx', ['tsc', '-p', 'tsconfig.grafana.json']],
  ['lint', 'npx', ['biome', 'check', '.']],
  ['dead code', 'npx', ['knip']],
  ['generated files', process.execPath, ['tools/generate.mjs', '--check']],
  // Somebody waits for it: on every core, where `npm test` leaves one to the person.
  ...(withoutTests ? [] : [['tests', process.execPath, ['tools/jest.mjs', '--maxWorkers=100%']]]),
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
