import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  counter,
  createSampleCache,
  type Family,
  gauge,
  histogram,
  type Row,
  type Samples,
} from '../../src/metrics/family.ts';
import { CONTENT_TYPES, type Format, render } from '../../src/metrics/render.ts';
import { parseExposition } from '../support/exposition.ts';
import { expectGolden } from '../support/golden.ts';

const samplesOf = createSampleCache();
const FORMATS: Format[] = ['text', 'openmetrics'];
const textOf = (all: readonly Samples[], format: Format) => Buffer.concat(render(all, format)).toString();

const HOSTILE = 'back\\slash "quote" line\nbreak \\n tab\t 模型 🦙';

const examples: Samples[] = [
  samplesOf(gauge('plain', 'Without labels.', []), (row) => row({}, 1)),
  samplesOf(gauge('escaped', `Help with a ${HOSTILE}`, ['model']), (row) => {
    row({ model: HOSTILE }, 1);
    row({ model: '' }, 0);
    row({ model: 'a{b="c"},d 1 # x' }, 0.5);
  }),
  samplesOf(gauge('numbers', 'Every kind of number.', ['kind']), (row) => {
    row({ kind: 'not a number' }, Number.NaN);
    row({ kind: 'most' }, Number.POSITIVE_INFINITY);
    row({ kind: 'least' }, Number.NEGATIVE_INFINITY);
    row({ kind: 'tiny' }, 5e-324);
    row({ kind: 'huge' }, 1.7976931348623157e308);
    row({ kind: 'large' }, 1e21);
    row({ kind: 'time' }, 1700000000.123);
    row({ kind: 'negative zero' }, -0);
    row({ kind: 'not known' }, undefined);
  }),
  samplesOf(counter('loads_total', 'A counter.', ['router', 'model']), (row) => {
    row({ router: 'r', model: 'm' }, 3);
  }),
  {
    family: histogram('duration_seconds', 'A histogram.', ['router'], [0.1, 1]),
    rows: [
      { labels: { le: '0.1', router: 'r' }, value: 0, suffix: '_bucket' },
      { labels: { le: '1', router: 'r' }, value: 2, suffix: '_bucket' },
      { labels: { le: '+Inf', router: 'r' }, value: 3, suffix: '_bucket' },
      { labels: { router: 'r' }, value: 12.5, suffix: '_sum' },
      { labels: { router: 'r' }, value: 3, suffix: '_count' },
    ],
  },
  samplesOf(gauge('empty', 'A family without rows.', ['model']), () => {}),
];

describe('an exposition', () => {
  it.each(FORMATS)('in %s reads as agreed', (format) => {
    const text = textOf(examples, format);
    expectGolden(`render-${format}.prom`, text);
    const read = parseExposition(text, format);
    expect(read.value('escaped', { model: HOSTILE })).toBe(1);
    expect(read.families[1]?.help).toBe(`Help with a ${HOSTILE}`);
    expect(read.value('numbers', { kind: 'huge' })).toBe(1.7976931348623157e308);
    expect(read.value('numbers', { kind: 'not known' })).toBeUndefined();
  });

  it('names a counter in OpenMetrics without the suffix that its samples carry', () => {
    const [family] = parseExposition(textOf(examples.slice(3, 4), 'openmetrics'), 'openmetrics').families;
    expect([family?.name, family?.samples[0]?.name]).toEqual(['loads', 'loads_total']);
  });

  it('of nothing is empty, or the end', () => {
    expect(textOf([], 'text')).toBe('');
    expect(textOf(examples.slice(-1), 'text')).toBe('');
    expect(textOf([], 'openmetrics')).toBe('# EOF\n');
  });

  it('is the same whichever format was asked before', () => {
    const [text, openmetrics] = [textOf(examples, 'text'), textOf(examples, 'openmetrics')];
    expect([textOf(examples, 'openmetrics'), textOf(examples, 'text')]).toEqual([openmetrics, text]);
  });

  it('has content types that Prometheus 2 and 3 accept', () => {
    expect(CONTENT_TYPES).toEqual({
      text: 'text/plain; version=0.0.4; charset=utf-8',
      openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
    });
  });

  it('of any labels and numbers reads back as they were', () => {
    const family: Family<'router' | 'model'> = gauge('any', 'Any.', ['router', 'model']);
    const wellFormed = fc.string({ unit: 'binary' }).map((text) => Buffer.from(text).toString());
    const row = fc.record<Row>({
      labels: fc.record({ router: wellFormed, model: wellFormed }),
      value: fc.double(),
    });
    const rows = fc.uniqueArray(row, { selector: ({ labels }) => JSON.stringify(labels), minLength: 1 });
    fc.assert(
      fc.property(rows, fc.constantFrom(...FORMATS), (all, format) => {
        const [read] = parseExposition(textOf([{ family, rows: all }], format), format).families;
        expect(read?.samples).toEqual(
          all.map(({ labels, value }) => ({ name: 'any', labels: { ...labels }, value: value + 0 })),
        );
      }),
    );
  });
});
