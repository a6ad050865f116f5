import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  createSampleCache,
  type Family,
  type Format,
  negotiateFormat,
  newRow,
  type Row,
  render,
  type Samples,
} from '../../src/metrics/exposition.ts';
import { anyText } from '../support/any-text.ts';
import { parseExposition } from '../support/exposition.ts';
import { expectGolden } from '../support/golden.ts';

/** Samples with these rows, labels first. */
const samplesOf = (
  name: string,
  help: string,
  rows: [labels: Record<string, string>, value: number | undefined][],
  type: Family['type'] = 'gauge',
): Samples =>
  createSampleCache()(
    { name, help, type, labels: [] },
    rows.map(([labels, value]) => ({ labels, value })),
    ({ value }) => value,
  );
const FORMATS: Format[] = ['text', 'openmetrics'];
const textOf = (all: readonly Samples[], format: Format) => render(all, format).join('');

const HOSTILE = 'back\\slash "quote" line\nbreak \\n tab\t 模型 🦙';

const examples: Samples[] = [
  samplesOf('plain', 'Without labels.', [[{}, 1]]),
  samplesOf('escaped', `Help with a ${HOSTILE}`, [
    [{ model: HOSTILE }, 1],
    [{ model: '' }, 0],
    [{ model: 'a{b="c"},d 1 # x' }, 0.5],
  ]),
  samplesOf('numbers', 'Every kind of number.', [
    [{ kind: 'not a number' }, Number.NaN],
    [{ kind: 'most' }, Number.POSITIVE_INFINITY],
    [{ kind: 'least' }, Number.NEGATIVE_INFINITY],
    [{ kind: 'tiny' }, 5e-324],
    [{ kind: 'huge' }, 1.7976931348623157e308],
    [{ kind: 'large' }, 1e21],
    [{ kind: 'time' }, 1700000000.123],
    [{ kind: 'negative zero' }, -0],
    [{ kind: 'not known' }, undefined],
  ]),
  samplesOf('loads_total', 'A counter.', [[{ router: 'r', model: 'm' }, 3]], 'counter'),
  {
    family: { name: 'duration_seconds', type: 'histogram', help: 'A histogram.', labels: ['router'] },
    rows: [
      { labels: { le: '0.1', router: 'r' }, value: 0, suffix: '_bucket' },
      { labels: { le: '1', router: 'r' }, value: 2, suffix: '_bucket' },
      { labels: { le: '+Inf', router: 'r' }, value: 3, suffix: '_bucket' },
      { labels: { router: 'r' }, value: 12.5, suffix: '_sum' },
      { labels: { router: 'r' }, value: 3, suffix: '_count' },
    ],
  },
  samplesOf('empty', 'A family without rows.', []),
];

describe('an exposition', () => {
  it.each(FORMATS)('in %s matches its golden file', (format) => {
    const text = textOf(examples, format);
    expectGolden(`render-${format}.prom`, text);
    const read = parseExposition(text, format);
    expect(read.value('escaped', { model: HOSTILE })).toBe(1);
    expect(read.families[1]?.help).toBe(`Help with a ${HOSTILE}`);
    expect(read.value('numbers', { kind: 'huge' })).toBe(1.7976931348623157e308);
    expect(read.value('numbers', { kind: 'not known' })).toBeUndefined();
  });

  it('names a counter in OpenMetrics without _total', () => {
    const [family] = parseExposition(textOf(examples.slice(3, 4), 'openmetrics'), 'openmetrics').families;
    expect([family?.name, family?.samples[0]?.name]).toEqual(['loads', 'loads_total']);
  });

  it('of nothing is empty, or # EOF', () => {
    expect(textOf([], 'text')).toBe('');
    expect(textOf(examples.slice(-1), 'text')).toBe('');
    expect(textOf([], 'openmetrics')).toBe('# EOF\n');
  });

  it('does not depend on the format of the scrape before', () => {
    const [text, openmetrics] = [textOf(examples, 'text'), textOf(examples, 'openmetrics')];
    expect([textOf(examples, 'openmetrics'), textOf(examples, 'text')]).toEqual([openmetrics, text]);
  });

  it('of any labels and numbers parses to the same values', () => {
    const family: Family = { name: 'any', type: 'gauge', help: 'Any.', labels: ['router', 'model'] };
    const wellFormed = anyText().map((text) => Buffer.from(text).toString());
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

describe('a family of thousands of rows', () => {
  const family: Family = { name: 'many', type: 'gauge', help: 'Rows.', labels: ['router', 'model'] };
  const ofRouter = (router: number, value = 1, models = 50): Samples => {
    const rows = Array.from({ length: models }, (_, model) =>
      newRow({ router: `gpu-${router}`, model: `qwen2.5-7b-instruct-q4_k_m-${model}` }, value),
    );
    return { family, rows };
  };
  const all = Array.from({ length: 100 }, (_, router) => ofRouter(router));
  const pieces = (samples: readonly Samples[], format: Format = 'text') => render(samples, format);

  it('is written in pieces, of which changed samples replace one', () => {
    const before = pieces(all);
    const after = pieces(all.with(50, ofRouter(50, -1)));
    expect(after).toHaveLength(before.length);
    expect(before.length).toBeGreaterThan(10);
    expect(after.filter((piece) => !before.includes(piece))).toHaveLength(1);
    expect(after.join('')).toBe(before.join('').replace(/(?<=gpu-50".*) 1$/gm, ' -1'));
  });

  it('shares its pieces between the formats', () => {
    const text = pieces(all);
    const openmetrics = pieces(all, 'openmetrics');
    expect(openmetrics.slice(1, -1)).toEqual(text.slice(1));
    expect(openmetrics.slice(1, -1).every((piece, at) => piece === text[at + 1])).toBe(true);
  });

  it.each([
    ['without its first samples', all.slice(1)],
    ['without its last samples', all.slice(0, -1)],
    ['with fewer samples', all.slice(0, 40)],
    ['with samples in the middle', all.toSpliced(10, 0, ofRouter(1000, 1, 3))],
    ['with samples without rows', all.toSpliced(10, 1, ofRouter(10, 1, 0))],
    ['in another order', all.toReversed()],
  ])('is complete %s', (_, some) => {
    pieces(all);
    const read = parseExposition(pieces(some).join('')).families[0]?.samples;
    expect(read?.map(({ labels }) => labels)).toEqual(
      some.flatMap(({ rows }) => rows).map(({ labels }) => labels),
    );
  });

  it('is one family, wherever its samples come from', () => {
    const other = { ...family, name: 'other' };
    const [first, second] = [ofRouter(1), ofRouter(2)];
    const text = pieces([first, { family: other, rows: first.rows }, second]).join('');
    expect(parseExposition(text).families.map(({ name, samples }) => [name, samples.length])).toEqual([
      ['many', 100],
      ['other', 50],
    ]);
  });
});

describe('the sample cache', () => {
  const family: Family = { name: 'cached', type: 'gauge', help: 'Rows.', labels: ['router', 'zone'] };
  const cached = createSampleCache();
  const collect = (zone: string, value: number) =>
    cached(
      family,
      [
        { labels: { router: 'a', zone: 'x' }, value: 1 },
        { labels: { router: 'b', zone }, value },
      ],
      (item) => item.value,
    );

  it('returns the same samples while no row changes', () => {
    expect(collect('x', 2)).toBe(collect('x', 2));
  });

  it('keeps the objects of unchanged rows', () => {
    const before = collect('x', 2);
    const after = collect('x', 3);
    expect(after.rows[0]).toBe(before.rows[0]);
    expect(after.rows[1]).toEqual({ labels: { router: 'b', zone: 'x' }, value: 3 });
  });

  it('sees a changed, an added and a removed label', () => {
    const labelled = (labels: Record<string, string>) =>
      cached(family, [{ labels }], () => 1).rows[0]?.labels;
    for (const labels of [{ a: '1' }, { a: '2' }, { a: '2', b: '1' }, { a: '2' }, { b: '2' }]) {
      expect(labelled(labels)).toEqual(labels);
    }
  });

  it('sees rows that are no longer there', () => {
    collect('x', 2);
    expect(cached(family, [], () => 1).rows).toEqual([]);
  });
});

const OLD_PROMETHEUS =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
const TEXT_FIRST =
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.3';

it.each<[string, string | undefined, 'text' | 'openmetrics']>([
  ['Prometheus 2.42', OLD_PROMETHEUS, 'openmetrics'],
  ['Prometheus 3.5', PROMETHEUS_3, 'openmetrics'],
  [
    'Prometheus 3.5 with protobuf',
    `application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,${PROMETHEUS_3}`,
    'openmetrics',
  ],
  ['Prometheus with text first', TEXT_FIRST, 'text'],
  ['Prometheus 1', 'text/plain;version=0.0.4;q=1,*/*;q=0.1', 'text'],
  ['curl', '*/*', 'text'],
  [
    'Firefox',
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
    'text',
  ],
  ['no header', undefined, 'text'],
  ['an empty header', '', 'text'],
  ['OpenMetrics only', 'application/openmetrics-text', 'openmetrics'],
  [
    'OpenMetrics 1.0.0 with blanks',
    'application/openmetrics-text ; version=1.0.0 ; charset=utf-8',
    'openmetrics',
  ],
  ['capitals', 'Application/OpenMetrics-Text; Version=1.0.0', 'openmetrics'],
  ['an older OpenMetrics', 'application/openmetrics-text;version=0.0.1', 'text'],
  ['a later OpenMetrics', 'application/openmetrics-text;version=2.0.0', 'text'],
  [
    'OpenMetrics and text with the same weight',
    'text/plain,application/openmetrics-text;version=1.0.0',
    'openmetrics',
  ],
  ['text preferred', 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain', 'text'],
  ['any text preferred', 'application/openmetrics-text;q=0.5,text/*', 'text'],
  ['anything preferred', 'application/openmetrics-text;q=0.1,*/*;q=0.9', 'text'],
  ['OpenMetrics excluded', 'application/openmetrics-text;q=0,*/*', 'text'],
  ['OpenMetrics excluded, nothing else', 'application/openmetrics-text;q=0', 'text'],
  ['a weight that is not a number', 'application/openmetrics-text;q=high', 'text'],
  [
    'a text weight that is not a number',
    'application/openmetrics-text;q=0.2,text/plain;q=low',
    'openmetrics',
  ],
  ['garbage', ';;,,q=1;=,application/', 'text'],
  ['a similar type', 'application/openmetrics-text-2', 'text'],
])('the format for %s', (_, accept, format) => {
  expect(negotiateFormat(accept)).toBe(format);
});
