// jest runs ES modules only with Node's --experimental-vm-modules; the warning it prints is noise.
import { spawnSync } from 'node:child_process';

const run = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
process.exit(run.status ?? 1);
