import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { pythonEnvironment } from '../../tools/python/environment.mjs';
import { dashboardFiles } from '../support/dashboard-files.ts';
import { pairVersions, promtool } from '../support/prometheus.ts';
import { type Rule, rulesFolder, yamlFiles } from '../support/rule-files.ts';
import { makeRunFolder } from '../support/run-folder.ts';

const MIXIN = "(import 'github.com/owner/llama-router-exporter/mixin/mixin.libsonnet')";
const RUNBOOK = 'https://git.example/docs/runbook.md';

/** What a mixin has, as jsonnet renders it. */
interface Rendered {
  readonly grafanaDashboards: Readonly<Record<string, unknown>>;
  readonly prometheusAlerts: { readonly groups: readonly Group[] };
  readonly prometheusRules: { readonly groups: readonly Group[] };
}

interface Group {
  readonly name: string;
  readonly rules: readonly Rule[];
}

let python: string;
let folder: string;

/** As jsonnet-bundler installs it: the mixin's folder alone. */
beforeAll(() => {
  python = join(pythonEnvironment('mixin', 'test/fixtures/mixin/requirements.txt'), 'python');
  folder = makeRunFolder('mixin');
  cpSync('mixin', join(folder, 'vendor/github.com/owner/llama-router-exporter/mixin'), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DRIVER =
  'import sys, _gojsonnet as j; print(j.evaluate_snippet("test", sys.stdin.read(), jpathdir=sys.argv[1:]))';

function jsonnet(snippet: string): { readonly out: string; readonly err: string } {
  const { stdout, stderr } = spawnSync(python, ['-c', DRIVER, join(folder, 'vendor')], {
    input: snippet,
    encoding: 'utf8',
  });
  return { out: stdout, err: stderr };
}

function rendered(mixin: string): Rendered {
  const fields = ['grafanaDashboards', 'prometheusAlerts', 'prometheusRules'];
  const shown = fields.map((field) => `${field}: mixin.${field}`);
  const { out, err } = jsonnet(`local mixin = ${mixin}; { ${shown} }`);
  expect(err).toBe('');
  return JSON.parse(out) as Rendered;
}

describe('the mixin', () => {
  const files = yamlFiles(rulesFolder);
  const groupsOf = (chosen: readonly string[]) =>
    chosen.flatMap((file) => (parse(readFileSync(file, 'utf8')) as { groups: Group[] }).groups);
  const isAlerts = (file: string) => file.endsWith('/alerts.yml');
  const alerts = groupsOf(files.filter(isAlerts));
  const rules = groupsOf(files.filter((file) => !isAlerts(file)));
  const dashboards = Object.fromEntries(dashboardFiles().map(([, file]) => [`${file.uid}.json`, file]));

  it('is the shipped dashboards, alerts and rules', () => {
    expect(rendered(MIXIN)).toEqual({
      grafanaDashboards: dashboards,
      prometheusAlerts: { groups: alerts },
      prometheusRules: { groups: rules },
    });
    expect(rules.flatMap((group) => group.rules.filter(({ alert }) => alert))).toEqual([]);
  });

  it('takes the address of the runbook and thresholds as documented, and leaves the rest', () => {
    const [, documented = ''] =
      /```jsonnet\n([^`]+)```/.exec(readFileSync('docs/dashboards.md', 'utf8')) ?? [];
    const mixin = rendered(documented.replace('OWNER', 'owner'));
    const linked = (value: object) =>
      JSON.parse(JSON.stringify(value).replaceAll('docs/runbook.md', RUNBOOK));
    const changed: Readonly<Record<string, string>> = {
      'llama_router:threshold:gpu_memory_used_ratio': 'vector(0.8)',
    };
    const lowered = rules.map((group) => ({
      ...group,
      rules: group.rules.map((rule) => ({ ...rule, expr: changed[rule.record ?? ''] ?? rule.expr })),
    }));
    expect(mixin).toEqual({
      grafanaDashboards: linked(dashboards),
      prometheusAlerts: { groups: linked(alerts) },
      prometheusRules: { groups: lowered },
    });
  });

  it('refuses a threshold that does not exist, and names those that do', () => {
    const { err } = jsonnet(`${MIXIN} + { _config+:: { llamaRouter+: { thresholds: { crash: 5 } } } }`);
    expect(err).toMatch(/unknown thresholds: crash\. Known: .*llama_router:threshold:crashes/);
  });

  it('adds to other mixins', () => {
    const other = "{ prometheusAlerts+:: { groups+: [{ name: 'other', rules: [] }] } }";
    expect(rendered(`${other} + ${MIXIN}`).prometheusAlerts.groups.map(({ name }) => name)).toEqual([
      'other',
      ...alerts.map(({ name }) => name),
    ]);
  });

  it.each(pairVersions)('has rules that promtool accepts (%s)', (version) => {
    const { prometheusAlerts, prometheusRules } = rendered(MIXIN);
    const groups = [...prometheusAlerts.groups, ...prometheusRules.groups];
    const file = join(folder, `rules-${version}.json`);
    writeFileSync(file, JSON.stringify({ groups }));
    expect(promtool(['check', 'rules', file], { version, folders: [folder] })).toEqual({
      code: 0,
      output: expect.stringContaining(`${groups.flatMap((group) => group.rules).length} rules found`),
    });
  });
});
