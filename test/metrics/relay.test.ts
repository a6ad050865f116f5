import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { render } from '../../src/metrics/exposition.ts';
import { parseExposition } from '../../src/metrics/parse.ts';
import { mergeRelayed, relay } from '../../src/metrics/relay.ts';

const NONE = { type_conflict: 0, name_collision: 0, too_many: 0 };

function parsed(text: string) {
  const result = parseExposition(text);
  if (!result.ok) throw new Error(result.fault);
  return result.value;
}

function relayed(models: Record<string, string>, maxRows = 100) {
  const { samples, dropped } = mergeRelayed(
    Object.entries(models).map(([model, text]) => relay('gpu', model, parsed(text), maxRows)),
  );
  return { text: render(samples, 'text').join(''), dropped };
}

describe("a model's own metrics", () => {
  it('get the labels router and model and are otherwise unchanged', () => {
    const text = readFileSync(
      new URL('../fixtures/router/metrics-loaded-busy.prom', import.meta.url),
      'utf8',
    );
    const { text: written, dropped } = relayed({ 'a "b"': text });
    expect(written.replaceAll('{router="gpu",model="a \\"b\\""}', '')).toBe(text);
    expect(dropped).toEqual(NONE);
  });

  it('are merged by family', () => {
    const text = '# HELP x Help\n# TYPE x gauge\nx 1\n# TYPE y counter\ny{slot="0"} 2\n';
    expect(relayed({ a: text, b: text }).text).toBe(`# HELP x Help
# TYPE x gauge
x{router="gpu",model="a"} 1
x{router="gpu",model="b"} 1
# TYPE y counter
y{router="gpu",model="a",slot="0"} 2
y{router="gpu",model="b",slot="0"} 2
`);
  });

  it('keep labels of the same names with the prefix exported_', () => {
    expect(relayed({ a: 'x{model="other",slot="1"} 1\n' }).text).toContain(
      'x{router="gpu",model="a",exported_model="other",slot="1"} 1',
    );
  });

  it('have type unknown in OpenMetrics if they are counters without _total', () => {
    const { samples } = mergeRelayed([relay('gpu', 'a', parsed('# TYPE n_max counter\nn_max 3\n'), 10)]);
    expect(render(samples, 'openmetrics').join('')).toBe(
      '# TYPE n_max unknown\nn_max{router="gpu",model="a"} 3\n# EOF\n',
    );
  });
});

describe('counted as dropped', () => {
  it('a family whose type differs from most models', () => {
    const { text, dropped } = relayed({
      a: '# TYPE x counter\nx 1\n',
      b: '# TYPE x gauge\nx 2\n',
      c: '# TYPE x gauge\nx 3\n',
    });
    expect(text).toBe('# TYPE x gauge\nx{router="gpu",model="b"} 2\nx{router="gpu",model="c"} 3\n');
    expect(dropped).toEqual({ ...NONE, type_conflict: 1 });
  });

  it.each(['llama_router_up', 'process_cpu_seconds_total', 'nodejs_version_info'])(
    'a family with the reserved name %s',
    (name) => {
      expect(relayed({ a: `${name} 1\nfine 2\n` })).toEqual({
        text: '# TYPE fine untyped\nfine{router="gpu",model="a"} 2\n',
        dropped: { ...NONE, name_collision: 1 },
      });
    },
  );

  it('whole families beyond the limit of a model', () => {
    const { text, dropped } = relayed({ a: 'x{s="1"} 1\nx{s="2"} 2\ny{s="1"} 1\ny{s="2"} 2\nz 1\n' }, 3);
    expect(text).toContain('x{router="gpu",model="a",s="2"} 2');
    expect(text).not.toContain('y{');
    expect(text).toContain('z{router="gpu",model="a"} 1');
    expect(dropped).toEqual({ ...NONE, too_many: 2 });
  });
});
