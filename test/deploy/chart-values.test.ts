import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { chartFolder, valuesFile } from '../support/helm.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const yaml = (file: string) => parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
const schema = JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8')) as object;
const check = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);
const faults = (values: object) =>
  check(values) ? [] : (check.errors ?? []).map(({ instancePath }) => instancePath);

describe('the schema of the chart', () => {
  it('accepts the defaults and the values of the tests', () => {
    const files = readdirSync(join(ROOT, 'test', 'fixtures', 'helm'));
    expect(files.length).toBeGreaterThan(3);
    expect(faults(yaml(join(chartFolder, 'values.yaml')))).toEqual([]);
    for (const file of files) expect(faults(yaml(valuesFile(file.replace('.yml', ''))))).toEqual([]);
  });

  it('accepts a complete configuration file as `config`', () => {
    expect(faults({ config: yaml(join(ROOT, 'config.example.yml')) })).toEqual([]);
  });

  it.each([
    ['a misspelt value', { serviceMonitors: { enabled: true } }, ''],
    ['a misspelt value further down', { image: { repo: 'x' } }, '/image'],
    ['a misspelt key of the configuration', { config: { unload: { keeep: [] } } }, '/config/unload'],
    ['a misspelt key of a router', { config: { routers: [{ uri: 'http://x' }] } }, '/config/routers/0'],
    ['an unknown mode', { mode: 'daemonset' }, '/mode'],
    ['a tag that YAML takes for a number', { image: { tag: 1.5 } }, '/image/tag'],
    ['a port beyond all ports', { service: { port: 101_800 } }, '/service/port'],
    ['a digest that is none', { image: { digest: 'latest' } }, '/image/digest'],
    ['an empty secret', { secrets: { values: { token: '' } } }, '/secrets/values/token'],
    ['a label that is no text', { podLabels: { gpu: true } }, '/podLabels/gpu'],
  ])('refuses %s', (_what, values, path) => {
    expect(faults(values)).toEqual([path]);
  });

  it('rejects the same unknown keys as the exporter', () => {
    const folder = join(ROOT, 'test', 'fixtures', 'config', 'invalid');
    for (const file of ['misspelt-keys.yml', 'unknown-key.yml', 'misplaced-key.yml'])
      expect(faults({ config: yaml(join(folder, file)) })).not.toEqual([]);
  });
});
