import { describe, expect, it } from '@jest/globals';
import { CATALOG } from '../../src/metrics/catalog.ts';
import type { Family } from '../../src/metrics/exposition.ts';

const families: Family[] = Object.values(CATALOG);

it('every name is declared once', () => {
  expect(new Set(families.map(({ name }) => name)).size).toBe(families.length);
});

/** Conventions of this project; `promtool check metrics` checks those of Prometheus. */
describe.each(families.map((family): [string, Family] => [family.name, family]))('%s', (name, family) => {
  it('has the prefix of the project', () => {
    expect(name).toMatch(/^llama_router_[a-z0-9_]*[a-z0-9]$/);
  });

  it('has no label that Prometheus or its operator sets, and names the router before the model', () => {
    const reserved = ['type', 'service', 'cluster', 'env', 'job', 'instance', 'le', 'quantile', 'path'];
    for (const label of family.labels) expect(reserved).not.toContain(label);
    if (family.labels.includes('model')) expect(family.labels.slice(0, 2)).toEqual(['router', 'model']);
  });

  it('has rising buckets if it is a histogram', () => {
    const { buckets = [] } = family;
    expect(buckets.length > 0).toBe(family.type === 'histogram');
    expect([...new Set(buckets)].sort((a, b) => a - b)).toEqual([...buckets]);
  });
});
