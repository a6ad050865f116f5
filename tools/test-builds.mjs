// Runs the suites that depend on llama-server's behaviour on several of its builds, and prints a table. Arguments are builds
// (default: all) and `--suites=lifecycle,unload`. `--json=FILE` writes how many tests passed and failed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildNamed, builds, installBuild } from './install-real-servers/llama-server-builds.mjs';
import { Missing } from './install-real-servers/shell.mjs';
import { installRealServers } from './install-real-servers.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    suites: { type: 'string', default: 'lifecycle,unload,engine,sleep,evictions' },
    json: { type: 'string' },
  },
});
const suites = values.suites.split(',');

try {
  installRealServers();
  const wanted = positionals.length > 0 ? positionals.map(buildNamed) : builds;
  const results = wanted.map((build) => ({ build, ...tested(build) }));
  printTable(results);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(totals(results)));
  process.exitCode = results.every(isGreen) ? 0 : 1;
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

/** The result of each suite, or the reason why there is none. */
function tested(build) {
  try {
    installBuild(build);
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    console.error(error.message);
    return { missing: error.message.split('\n')[0] };
  }
  console.error(`\nllama-server ${build.name}:`);
  const folder = mkdtempSync(join(tmpdir(), 'test-builds-'));
  try {
    const file = join(folder, 'results.json');
    const files = suitesOf(build).map((suite) => `test/e2e/${suite}.test.ts`);
    const options = ['--config', 'jest.e2e.config.js', '--forceExit', '--json', `--outputFile=${file}`];
    spawnSync(process.execPath, ['tools/jest.mjs', ...options, '--runTestsByPath', ...files], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, LLAMA_SERVER_BUILD: build.name },
    });
    return { ran: existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function suitesOf(build) {
  return suites.filter((suite) => build.suites?.includes(suite) ?? true);
}

/** What one suite came to, in a word or two. */
function outcome({ build, ran, missing }, suite) {
  if (!suitesOf(build).includes(suite)) return 'does not apply';
  if (missing !== undefined) return 'not run';
  const found = ran?.testResults.find(({ name }) => basename(name) === `${suite}.test.ts`);
  const count = (status) => found?.assertionResults.filter((test) => test.status === status).length ?? 0;
  const [passed, failed] = [count('passed'), count('failed')];
  if (passed + failed === 0) return 'did not start';
  return failed === 0 && found.status === 'passed'
    ? `${passed} passed`
    : `${failed} of ${passed + failed} failed`;
}

function isGreen(result) {
  return suitesOf(result.build).every((suite) => / passed$/.test(outcome(result, suite)));
}

function totals(results) {
  const sum = (count) => results.reduce((total, { ran }) => total + (ran?.[count] ?? 0), 0);
  return {
    numPassedTests: sum('numPassedTests'),
    numFailedTests: sum('numFailedTests'),
    // A build that is not there is a failure of its own.
    numRuntimeErrorTestSuites:
      sum('numRuntimeErrorTestSuites') + results.filter(({ ran }) => ran === undefined).length,
  };
}

function printTable(results) {
  const yes = (value) => (value ? 'yes' : 'no');
  const rows = [
    ['build', 'event stream', 'reading exempt', ...suites],
    ...results.map((result) => [
      result.build.name,
      yes(result.build.eventStream),
      yes(result.build.readsExempt),
      ...suites.map((suite) => outcome(result, suite)),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  console.log();
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    );
  for (const { build, missing } of results)
    if (missing !== undefined) console.log(`\n${build.name}: ${missing}`);
}
