import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { formatConclusion, formatResult } from '../../src/cli/operation-output.ts';
import { openapi } from '../../src/http/openapi/openapi.ts';
import type { ModelResult } from '../../src/unload/report.ts';
import { anOperation } from '../support/an-operation.ts';
import { expectGolden } from '../support/golden.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: 'document', ...JSON.parse(JSON.stringify(openapi('1.2.3'))) });

/** The first JSON block of a document that contains this text. */
function jsonSample(document: string, text: string): Record<string, unknown> {
  const blocks = readFileSync(join(ROOT, 'docs', document), 'utf8').matchAll(/^```json\n([\s\S]*?)^```/gm);
  const block = [...blocks].map(([, json = '']) => json).find((json) => json.includes(text));
  return JSON.parse(block ?? 'null');
}

/** The keys that a sample has more or less than its schema, and other errors. */
function errorsOf(schema: string, value: object): unknown[] {
  const validate = ajv.getSchema(`document#/components/schemas/${schema}`);
  if (validate === undefined) throw new Error(`no schema ${schema}`);
  const { properties = {} } = validate.schema as { properties?: object };
  const unknown = Object.keys(value).filter((key) => !(key in properties));
  return validate(value) ? unknown : [...unknown, ...(validate.errors ?? [])];
}

it('the JSON samples of the documents match the OpenAPI schemas', () => {
  expect(errorsOf('Operation', jsonSample('http-api.md', '"trigger"'))).toEqual([]);
  expect(errorsOf('Model', jsonSample('http-api.md', '"quantization"'))).toEqual([]);
  expect(errorsOf('Hold', jsonSample('hold.md', '"need_bytes"'))).toEqual([]);
});

it('the unload sample of README.md and docs/unload.md is what the command prints', () => {
  const models: ModelResult[] = [
    { model: 'embed-small', result: 'kept', detail: 'it is on the keep list' },
    { model: 'qwen3-8b', result: 'unloaded', seconds: 1.2 },
    { model: 'gemma-3-27b', result: 'unloaded', seconds: 0.42 },
  ];
  const operation = anOperation({
    routers: [{ router: 'gpu-box', models }],
    still_in_memory: [{ router: 'gpu-box', model: 'embed-small', status: 'loaded' }],
  });
  const lines = models.map((result) => formatResult(result, undefined));
  expectGolden('unload-all.txt', [...lines, formatConclusion(operation)].join(''));
});

it('every npm script that a document, CI or a workflow names exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
  const folders = ['.', 'docs', '.ci', '.github/workflows'];
  const files = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder)).map((name) => join(ROOT, folder, name)),
  );
  const texts = files
    .filter((file) => /\.(md|yml|yaml)$|\/run$/.test(file))
    .map((file) => readFileSync(file, 'utf8'));
  const named = [...texts.join('\n').matchAll(/npm run (?:--silent |-s )?([a-z][a-z0-9:-]*)/g)].map(
    ([, name]) => name,
  );
  expect(named.length).toBeGreaterThan(20);
  expect([...new Set(named)].filter((name) => !(`${name}` in scripts))).toEqual([]);
});
