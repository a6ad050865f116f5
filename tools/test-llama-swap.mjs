// Runs the tests that need a real llama-swap: the contract that the simulated one fulfils too, and the exporter with it.
// The program is not installed by this project: LLAMA_SWAP_BIN names it. Arguments go to jest.
import { spawnSync } from 'node:child_process';

const program = process.env.LLAMA_SWAP_BIN;
const version = program ? spawnSync(program, ['--version'], { encoding: 'utf8' }) : undefined;
if (version?.status !== 0) {
  console.error(
    program
      ? `LLAMA_SWAP_BIN=${program} cannot be run: ${version.error?.message ?? version.stderr}`
      : 'No test was run: LLAMA_SWAP_BIN is not set.',
  );
  console.error(
    'Download llama-swap 240 or newer from https://github.com/mostlygeek/llama-swap/releases, then\n' +
      'LLAMA_SWAP_BIN=/path/to/llama-swap npm run test:llama-swap',
  );
  process.exit(1);
}
console.log(version.stdout.trim());
const options = ['--config', 'jest.llama-swap.config.js', '--forceExit', ...process.argv.slice(2)];
const tests = spawnSync(process.execPath, ['tools/jest.mjs', ...options], { stdio: 'inherit' });
process.exit(tests.status ?? 1);
