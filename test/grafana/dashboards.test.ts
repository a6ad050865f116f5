import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as units from '@grafana/grafana-foundation-sdk/units';
import { describe, expect, it } from '@jest/globals';
import { ENGINE, PROCESS, PROMETHEUS, RULES } from '../../grafana/src/series.ts';
import { renderEngineMetrics } from '../../simulator/engine-metrics.ts';
import { CATALOG } from '../../src/metrics/catalog.ts';
import type { Family } from '../../src/metrics/family.ts';
import { dashboardFiles, type PanelFile, queriesOf } from '../support/dashboard-files.ts';
import { allRules, seriesOf } from '../support/rule-files.ts';

const dashboards = dashboardFiles();
const families = (of: Record<string, Family>) => Object.values(of);
const read = new Set(
  dashboards.flatMap(([, file]) =>
    queriesOf(file).flatMap(([, { expr }]) => seriesOf(withoutVariables(expr))),
  ),
);

describe('the dashboards', () => {
  it('are five', () => {
    expect(dashboards.map(([name, { uid }]) => [name, uid]).toSorted()).toEqual([
      ['exporter.json', 'llama-router-exporter'],
      ['memory.json', 'llama-router-memory'],
      ['model.json', 'llama-router-model'],
      ['operations.json', 'llama-router-operations'],
      ['overview.json', 'llama-router-overview'],
    ]);
  });

  it('read only series that exist', () => {
    const known = new Set(
      [CATALOG, ENGINE, PROCESS, PROMETHEUS, RULES].flatMap((of) => families(of).flatMap(seriesNamesOf)),
    );
    expect([...read].filter((name) => !known.has(name))).toEqual([]);
  });

  it('read all series of grafana/src/series.ts, which exist', () => {
    const named = [ENGINE, PROCESS, PROMETHEUS, RULES].flatMap((of) => families(of).map(({ name }) => name));
    expect(named.filter((name) => !read.has(name))).toEqual([]);
    const engine = renderEngineMetrics(NOTHING_DONE);
    for (const { name } of families(ENGINE)) expect(engine).toContain(`\n${name} `);
    const recorded = allRules().map(({ record }) => record);
    for (const { name } of families(RULES)) expect(recorded).toContain(name);
  });

  it('take metric names from the catalogue', () => {
    const folder = join(import.meta.dirname, '../../grafana/src');
    const sources = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
    expect(sources.join('\n')).not.toMatch(/llama_router_/);
  });
});

describe.each(dashboards)('%s', (name, file) => {
  it('is shown in docs/dashboards.md, dark and light', () => {
    const docs = join(import.meta.dirname, '../../docs');
    const page = readFileSync(join(docs, 'dashboards.md'), 'utf8');
    for (const theme of ['dark', 'light']) {
      const picture = `pictures/dashboard-${name.replace('.json', '')}-${theme}.png`;
      expect(existsSync(join(docs, picture))).toBe(true);
      expect(page).toContain(`="${picture}"`);
    }
  });

  it('has the tag and is read-only', () => {
    expect(file.tags).toEqual(['llama-router']);
    expect(file.editable).toBe(false);
    expect(file.title).toMatch(/^llama\.cpp router \/ [A-Z][a-z]+$/);
    expect(file.description).toMatch(/^[A-Z].{30,}\.$/);
  });

  it('has variables for datasource, exporter, router and model', () => {
    const [datasource, ...others] = file.templating.list;
    expect(datasource).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    expect(others.map(({ name }) => name)).toEqual(['instance', 'router', 'model']);
    for (const variable of others) {
      expect(variable).toMatchObject({
        type: 'query',
        datasource: CHOSEN,
        multi: true,
        includeAll: true,
        allValue: '.+',
        // On time range change.
        refresh: 2,
        query: { query: expect.stringMatching(/^label_values\(.+, \w+\)$/) },
      });
    }
  });

  it('has annotations; evictions are off', () => {
    expect(file.annotations.list.map(({ name, enable }) => [name, enable])).toEqual([
      ['Unloads', true],
      ['Evictions', false],
      ['Crashes', true],
      ['Holds', true],
      ['Router restarts', true],
    ]);
  });

  it('links to the other dashboards and the runbook', () => {
    expect(file.links).toMatchObject([
      { type: 'dashboards', tags: ['llama-router'] },
      { type: 'link', url: 'docs/runbook.md' },
    ]);
    const uids = dashboards.map(([, { uid }]) => uid);
    for (const { url = '' } of file.panels.flatMap(({ links = [] }) => links)) {
      if (url !== 'docs/runbook.md') expect(uids).toContain(/^\/d\/([\w-]+)\?/.exec(url)?.[1]);
    }
  });

  it('has 8 to 14 panels that fill their rows', () => {
    expect(file.panels.length).toBeGreaterThanOrEqual(8);
    expect(file.panels.length).toBeLessThanOrEqual(14);
    expect(file.panels.map(({ id }) => id)).toEqual(file.panels.map((_, at) => at + 1));
    const titles = file.panels.map(({ title, type }) => `${title} (${type})`);
    expect(new Set(titles).size).toBe(titles.length);
    for (const row of rowsOf(file.panels)) {
      expect(row.reduce((sum, { gridPos }) => sum + gridPos.w, 0)).toBe(24);
      expect(new Set(row.map(({ gridPos }) => gridPos.h)).size).toBe(1);
    }
  });

  it.each(file.panels.map((panel): [string, PanelFile] => [panel.title, panel]))(
    '%s has a title, description, unit and datasource',
    (title, panel) => {
      expect(title).toMatch(/^[A-Z][^.]+$/);
      expect(panel.description).toMatch(/^[A-Z\d].{15,}\.$/);
      expect(panel.datasource).toEqual(CHOSEN);
      const asked = panel.fieldConfig.overrides.flatMap(({ properties }) => properties);
      const used = asked.flatMap(({ id, value }) => (id === 'unit' ? [value] : []));
      for (const unit of [panel.fieldConfig.defaults.unit, ...used]) expect(UNITS).toContain(unit);
      expect(panel.targets.map(({ refId }) => refId)).toEqual(
        panel.targets.map((_, at) => 'ABCDEF'[at] ?? 'too many'),
      );
    },
  );

  it('has a column in its tables for each label of their rows', () => {
    for (const { targets, transformations = [] } of file.panels.filter(({ type }) => type === 'table')) {
      const [, organize] = transformations as { id: string; options: { indexByName: object } }[];
      const shown = Object.keys(organize?.options.indexByName ?? {});
      for (const { expr } of targets) {
        const labels = /by \(([^)]+)\)/.exec(expr)?.[1]?.split(', ') ?? [];
        expect(labels.length).toBeGreaterThan(0);
        expect(shown).toEqual(expect.arrayContaining(labels));
      }
    }
  });

  it.each(queriesOf(file))('has a valid query: %s', (what, { expr, datasource, instant, range }) => {
    const mark = what.startsWith('annotation');
    expect(datasource).toEqual(CHOSEN);
    expect(Boolean(instant) !== Boolean(range)).toBe(true);
    // $__rate_interval depends on step and scrape interval.
    for (const [, window] of expr.matchAll(/(?:\[|offset )([^\]\s)]+)/g)) {
      expect(window).toBe(mark ? '$__interval' : instant ? '$__range' : '$__rate_interval');
    }
    for (const counter of expr.matchAll(/(\S*[^\w:])[\w:]+(?:_total|_bucket|_sum|_count)\{/g)) {
      if (!mark) expect(counter[1]).toMatch(/(rate|increase)\($/);
    }
    for (const [selector] of expr.matchAll(/\{[^}]*\}/g)) {
      if (!selector.includes('alertname')) expect(selector).toMatch(/^\{instance=~"\$instance"/);
    }
  });
});

/** The datasource variable. */
const CHOSEN = { type: 'prometheus', uid: '$datasource' };

/** All units of Grafana, from the SDK. */
const UNITS = Object.values(units);

const NOTHING_DONE = {
  promptTokens: 0,
  promptSeconds: 0,
  predictedTokens: 0,
  predictedSeconds: 0,
  decodes: 0,
  decodedTokens: 0,
  longestSequence: 0,
  recentPromptRate: 0,
  recentPredictedRate: 0,
  processing: 0,
  deferred: 0,
};

function seriesNamesOf({ name, type }: Family): string[] {
  return type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

function withoutVariables(expr: string): string {
  return expr.replace(/\$__\w+/g, '1m');
}

function rowsOf(panels: readonly PanelFile[]): PanelFile[][] {
  const rows = new Map<number, PanelFile[]>();
  for (const panel of panels) rows.set(panel.gridPos.y, [...(rows.get(panel.gridPos.y) ?? []), panel]);
  return [...rows.values()];
}
