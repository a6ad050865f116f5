// Packages the chart for a release: `node tools/package-chart.mjs IMAGE FOLDER` sets the image of the release as default. In
// the checkout the default is the result of `docker build -t llama-router-exporter .`.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [image, folder] = process.argv.slice(2);
if (!image || !folder) fail('node tools/package-chart.mjs IMAGE FOLDER');

const scratch = mkdtempSync(join(tmpdir(), 'chart-'));
try {
  const chart = join(scratch, 'llama-router-exporter');
  cpSync(fileURLToPath(new URL('../deploy/helm/llama-router-exporter', import.meta.url)), chart, {
    recursive: true,
  });
  const values = join(chart, 'values.yaml');
  const [before, after, ...more] = readFileSync(values, 'utf8').split(
    '  repository: llama-router-exporter\n',
  );
  if (after === undefined || more.length > 0)
    fail('values.yaml does not name the image exactly once: fix this tool');
  writeFileSync(values, `${before}  repository: ${image}\n${after}`);
  const { status, error } = spawnSync(
    process.env.HELM || 'helm',
    ['package', chart, '--destination', folder],
    {
      stdio: 'inherit',
    },
  );
  if (status !== 0) fail(`helm package failed${error ? `: ${error.message}` : ''}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
