import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { pythonEnvironment } from '../../tools/python/environment.mjs';
import { type ExporterProcess, startExporterProcess } from '../support/exporter-process.ts';
import { makeRunFolder } from '../support/run-folder.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';

/** Schemathesis generates requests from the OpenAPI document that an exporter serves, and compares the answers with it. */

const FIXTURES = resolve('test/fixtures/schemathesis');
const TOKEN = 'the-right-token-0123456789';
const HOLDS_AND_GATE = '^/api/v1/(gate|holds)';

let schemathesis: string;
/** For what it keeps. */
let folder: string;
let router: TestRouter;
const exporters: ExporterProcess[] = [];

beforeAll(async () => {
  schemathesis = join(pythonEnvironment('schemathesis', join(FIXTURES, 'requirements.txt')), 'st');
  folder = makeRunFolder('schemathesis');
  // The names in the document's examples.
  router = createTestRouter({
    models: ['qwen', 'bge-m3', 'llama'].map((id) => ({ id, loadSeconds: 0.01 })),
  });
  await router.listen();
});
afterAll(async () => {
  await Promise.all(exporters.map((exporter) => exporter.stop()));
  await router.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function startExporter(env: Record<string, string>): Promise<string> {
  const exporter = await startExporterProcess([router], {}, env);
  exporters.push(exporter);
  return `${exporter.url}/api/v1/openapi.json`;
}

/** The exit code and output of a run; `code` is 0 when it has found nothing. */
function examine(document: string, ...args: string[]): Promise<{ code: number; output: string }> {
  const options = ['--config-file', join(FIXTURES, 'schemathesis.toml'), '--no-color', 'run', document];
  const all = [...options, '--phases=examples,coverage,fuzzing,stateful', ...args];
  return new Promise((done) => {
    execFile(schemathesis, all, { cwd: folder, encoding: 'utf8' }, (error, output, errors) =>
      done({ code: error === null ? 0 : Number(error.code ?? -1), output: `${output}${errors}` }),
    );
  });
}

it('finds nothing, with and without a token', async () => {
  // Each caller at its exporter, so that no request is refused or waits because of the holds of others.
  const [open, holding, brief, locked] = await Promise.all([
    startExporter({}),
    startExporter({ LLAMA_ROUTER_EXPORTER_HOLD_MAX: '24d' }),
    startExporter({ LLAMA_ROUTER_EXPORTER_HOLD_MAX: '2s' }),
    startExporter({ LLAMA_ROUTER_EXPORTER_TOKEN: TOKEN }),
  ]);
  const runs = await Promise.all([
    examine(open, '--exclude-path-regex', HOLDS_AND_GATE),
    examine(holding, '--include-path-regex', '^/api/v1/holds'),
    examine(brief, '--include-path-regex', HOLDS_AND_GATE),
    examine(
      locked,
      '--exclude-path-regex',
      HOLDS_AND_GATE,
      '--max-examples=5',
      '--header',
      `Authorization: Bearer ${TOKEN}`,
    ),
    examine(locked, '--exclude-path-regex', '/gate$', '--max-examples=3'),
  ]);
  for (const { code, output } of runs) expect(code === 0 ? '' : output).toBe('');
});
