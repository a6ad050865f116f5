// Runs the unit tests on each Node version that the program supports, and prints how many passed. Arguments are versions
// (default: all); each comes from npm as node-PLATFORM-ARCHITECTURE.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cache } from './install-real-servers/places.mjs';
import { Missing, run } from './install-real-servers/shell.mjs';

/** The oldest that works, and the newest of each release line that is kept up. */
const versions = ['20.18', '22', '24', '26'];

const wanted = process.argv.length > 2 ? process.argv.slice(2) : versions;
const lines = wanted.map((version) => `Node ${version}: ${outcome(version)}`);
console.log(`\n${lines.join('\n')}`);
process.exitCode = lines.every((line) => line.endsWith(' passed')) ? 0 : 1;

function outcome(version) {
  const folder = mkdtempSync(join(tmpdir(), 'test-node-'));
  try {
    const node = programOf(version);
    const file = join(folder, 'results.json');
    spawnSync(node, ['tools/jest.mjs', '--json', `--outputFile=${file}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (!existsSync(file)) return 'the tests did not start';
    const { numPassedTests: passed, numTotalTests: total, success } = JSON.parse(readFileSync(file, 'utf8'));
    const release = run(node, ['--version']).trim();
    return success
      ? `${release}, ${passed} tests passed`
      : `${release}, ${total - passed} of ${total} tests failed`;
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return error.message;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Installs the newest release of the version if there is none in the cache. */
function programOf(version) {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(cache, 'node', version);
  const program = join(folder, 'node_modules', name, 'bin/node');
  if (!existsSync(program)) {
    console.error(`Installing Node ${version} (${name})…`);
    run('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, `${name}@${version}`]);
  }
  return program;
}
