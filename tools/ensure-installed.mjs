// Installs the locked dependencies if they are missing or older than the lockfile, otherwise takes a few milliseconds. Plain
// Node, because it runs before anything is installed. The argument is the folder of another package.json.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = process.argv[2] === undefined ? '' : `${process.argv[2]}/`;
const root = fileURLToPath(new URL(`../${folder}`, import.meta.url));
const stamp = `${root}node_modules/.installed-lockfile`;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 18)) {
  fail(`Node ${process.versions.node} is too old: llama-router-exporter needs Node 20.18 or newer.`);
}

const wanted = createHash('sha256')
  .update(readFileSync(`${root}package-lock.json`))
  .digest('hex');
const present = existsSync(stamp) ? readFileSync(stamp, 'utf8').trim() : '';
if (present !== wanted) {
  console.error('Installing the locked dependencies (npm ci)…');
  const run = spawnSync('npm', ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (run.status !== 0) fail('npm ci failed: see its message above. Is the npm registry reachable?');
  writeFileSync(stamp, `${wanted}\n`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
