// Checks the Python files (format, lint, types) and runs pytest with a real exporter and the real Pipelines server.
// Arguments are passed to pytest. Tests in Open WebUI itself: test/e2e/open-webui.test.ts.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cache } from './install-real-servers/places.mjs';
import { Missing } from './install-real-servers/shell.mjs';
import { pythonEnvironment } from './python/environment.mjs';

const folder = fileURLToPath(new URL('../integrations', import.meta.url));

try {
  const bin = pythonEnvironment('integrations', join(folder, 'test/requirements.txt'));
  const steps = [
    ['ruff', 'format', '--check', '.'],
    ['ruff', 'check', '.'],
    ['mypy', '.'],
    ['pytest', '-p', 'no:cacheprovider', ...process.argv.slice(2)],
  ];
  // Run every step, even if an earlier one failed.
  const failed = steps.filter(([program, ...args]) => !passes(join(bin, program), args));
  for (const step of failed) console.error(`Failed: ${step.join(' ')}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

function passes(program, args) {
  const env = {
    ...process.env,
    PYTHONDONTWRITEBYTECODE: '1',
    RUFF_CACHE_DIR: join(cache, 'python/ruff'),
    MYPY_CACHE_DIR: join(cache, 'python/mypy'),
  };
  return spawnSync(program, args, { cwd: folder, env, stdio: 'inherit' }).status === 0;
}
