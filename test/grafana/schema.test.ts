import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { dashboardFiles, type PanelFile } from '../support/dashboard-files.ts';

/** Checks the dashboards against Grafana's schemas: see test/fixtures/grafana/README.md. */

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats.default(ajv);

const SCHEMAS: Record<string, string> = {
  barchart: 'barchart',
  bargauge: 'bargauge',
  stat: 'stat',
  'state-timeline': 'statetimeline',
  table: 'table',
  timeseries: 'timeseries',
};
for (const name of ['dashboard', 'prometheus', ...Object.values(SCHEMAS)]) ajv.addSchema(read(name), name);

const ofDashboard = schemaOf('dashboard');
const ofQuery = schemaOf('prometheus');

describe.each(dashboardFiles())('%s', (_name, file) => {
  it('matches the dashboard schema of Grafana', () => {
    expect(faultsOf(ofDashboard, file)).toEqual([]);
  });

  it.each(file.panels.map((panel): [string, PanelFile] => [panel.title, panel]))(
    '%s has only options that panels of its kind have',
    (_title, panel) => {
      const schema = SCHEMAS[panel.type];
      expect(schema).toBeDefined();
      expect(faultsOf(schemaOf(`${schema}#/definitions/Options`), panel.options)).toEqual([]);
      const { custom } = panel.fieldConfig.defaults;
      if (custom) expect(faultsOf(schemaOf(`${schema}#/definitions/FieldConfig`), custom)).toEqual([]);
      for (const target of panel.targets) expect(faultsOf(ofQuery, target)).toEqual([]);
    },
  );
});

it('rejects an invalid panel', () => {
  const wrong = dashboardFiles().map(([, file]) => ({
    ...file,
    panels: file.panels.map((panel) => ({ ...panel, gridPos: { ...panel.gridPos, h: 'tall' } })),
  }));
  for (const file of wrong)
    expect(faultsOf(ofDashboard, file)).toContain('/panels/0/gridPos/h must be integer');
  expect(faultsOf(schemaOf('stat#/definitions/Options'), { colorMode: 'loud' })).toContain(
    '/colorMode must be equal to one of the allowed values',
  );
});

function faultsOf(validate: ValidateFunction, value: unknown): string[] {
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

function schemaOf(reference: string): ValidateFunction {
  const found = ajv.getSchema(reference);
  if (!found) throw new Error(`there is no schema ${reference}`);
  return found;
}

/**
 * The schemas are written by a generator that says of what may be anything that it is an object of anything, and that
 * one of "a text" and "anything" holds when both do.
 */
function read(name: string) {
  const path = join(import.meta.dirname, `../fixtures/grafana/${name}.jsonschema.json`);
  return JSON.parse(readFileSync(path, 'utf8'), (key, value) => {
    if (value?.oneOf && key !== 'properties') return { ...value, oneOf: undefined, anyOf: value.oneOf };
    return value?.type === 'object' && isEmpty(value.additionalProperties) ? {} : value;
  });
}

function isEmpty(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && Object.keys(schema).length === 0;
}
