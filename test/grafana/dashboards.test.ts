import * as units from '@grafana/grafana-foundation-sdk/units';
import { describe, expect, it } from '@jest/globals';
import { ENGINE, PROCESS, PROMETHEUS, RULES } from '../../grafana/src/series.ts';
import { renderEngineMetrics } from '../../simulator/engine-metrics.ts';
import { CATALOG } from '../../src/metrics/catalog.ts';
import type { Family } from '../../src/metrics/exposition.ts';
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
});

describe.each(dashboards)('%s', (_name, file) => {
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

  it.each(file.panels.map((panel): [string, PanelFile] => [panel.title, panel]))(
    '%s has units that Grafana knows, and the chosen datasource',
    (_title, panel) => {
      expect(panel.datasource).toEqual(CHOSEN);
      const asked = panel.fieldConfig.overrides.flatMap(({ properties }) => properties);
      const used = asked.flatMap(({ id, value }) => (id === 'unit' ? [value] : []));
      for (const unit of [panel.fieldConfig.defaults.unit, ...used]) expect(UNITS).toContain(unit);
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
