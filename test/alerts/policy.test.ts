import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { AlertRules } from '../../src/alerts/options.ts';
import { type Alert, parseNotification } from '../../src/alerts/payload.ts';
import { type AlertDecision, decideOn, type IgnoreReason } from '../../src/alerts/policy.ts';
import type { AlertUnload } from '../../src/alerts/requests.ts';
import { loadConfig } from '../../src/config/load.ts';
import { compareWhenBusy, WHEN_BUSY } from '../../src/config/when-busy.ts';
import { matchesGlob } from '../../src/lib/glob.ts';
import { reasonText } from '../../src/unload/request.ts';
import {
  aNotification,
  anAlert,
  grafanaNotification,
  recordedNotification,
} from '../support/notification.ts';

const RULES: AlertRules = loadConfig({ env: {}, flags: {} }).alerts;
const ROUTERS = ['gpu-box', 'attic'];

const decide = (alerts: readonly Alert[], rules: Partial<AlertRules> = {}) =>
  decideOn(aNotification(alerts), { ...RULES, ...rules }, ROUTERS);

/** The unload of an alert without options. */
const ALL: AlertUnload = {
  routers: ['attic', 'gpu-box'],
  selection: { models: [], keep: [] },
  whenBusy: 'wait',
  reason: 'GpuMemoryHigh',
};
const { selection } = ALL;

const unload = (unloads: AlertUnload[], ...details: string[]): AlertDecision => ({ unloads, details });
const ignore = (ignored: IgnoreReason, ...details: string[]): AlertDecision => ({
  unloads: [],
  ignored,
  details,
});
const on = (router: string, annotations: Alert['annotations'] = {}) =>
  anAlert({ labels: { router }, annotations });

describe('a notification of Grafana', () => {
  const idle = {
    ...ALL,
    routers: ['attic', 'cellar'],
    selection: { ...selection, idleForMs: 600_000 },
    reason: 'Idle models on a full GPU: GPU memory is full, and idle models hold part of it.',
  };
  const noData = (name: string) =>
    ignore(
      'no_data',
      `${name}: Grafana could not evaluate the rule, so nothing was measured: set "Alert state if no data" to Normal, and check its data source`,
    );

  it.each<[string, AlertDecision]>([
    ['firing', unload([idle])],
    ['firing-and-resolved', unload([{ ...idle, routers: ['attic'] }])],
    ['resolved', ignore('resolved', 'no firing alerts')],
    ['grafana-8', unload([{ ...idle, routers: ['attic'] }])],
    ['no-data', noData('DatasourceNoData')],
    ['error', noData('DatasourceError')],
    ['no-data-as-alerting', noData('Idle models on a full GPU')],
    ['kept-last', noData('Idle models on a full GPU')],
    ['test-button', ignore('not_matched', 'no firing alert matches action="unload" (alerts.matchers)')],
  ])('%s', (name, decision) => {
    const parsed = parseNotification(grafanaNotification(name));
    if (!parsed.ok) throw new Error(parsed.fault);
    expect(decideOn(parsed.value, RULES, ['attic', 'cellar'])).toEqual(decision);
  });
});

it('an alert limits its unload to GPUs, and goes before one without that limit', () => {
  const all = on('attic');
  const one = on('attic', { unload_gpu: '1, GPU-1d4b' });
  const { unloads } = decide([all, one]);
  expect(unloads.map((each) => each.selection.gpus)).toEqual([['1', 'GPU-1d4b'], undefined]);
});

it.each(['[no value]', '<no value>', 'embed*,<no value>'])(
  'an option whose template found no value is invalid: %s',
  (text) => {
    const { ignored, details } = decide([on('attic', { unload_keep: text })]);
    expect([ignored, details]).toEqual([
      'malformed_wish',
      [
        `GpuMemoryHigh: unload_keep is "${text}"; expected globs separated by commas, such as 'embed*,rerank*'`,
      ],
    ]);
  },
);

describe('a recorded notification', () => {
  const reason = 'GpuMemoryHighWithIdleModels: GPU memory is high while models are idle';
  const idle = { ...ALL, selection: { ...selection, idleForMs: 600_000 }, reason };

  it.each<[string, AlertDecision]>([
    ['firing.json', unload([idle])],
    ['firing-and-resolved.json', unload([{ ...idle, routers: ['attic'] }])],
    ['resolved.json', ignore('resolved', 'no firing alerts')],
    ['repeated.json', unload([{ ...idle, routers: ['gpu-box'] }])],
    [
      'truncated.json',
      ignore(
        'unknown_router',
        '3 alerts are missing: more than max_alerts or 1000 in the group',
        'GpuMemoryHighWithIdleModels: router="a" is unknown; known routers: gpu-box, attic',
        'GpuMemoryHighWithIdleModels: router="b" is unknown; known routers: gpu-box, attic',
      ),
    ],
    [
      'quoted.json',
      unload([
        {
          ...ALL,
          routers: ['gpu-box'],
          selection: { ...selection, keep: ['a "quoted" näme', 'b*'] },
          reason: 'Speicher "voll" – 🦙: He said: "unload", näher {{ }}',
        },
      ]),
    ],
    ['without-annotations.json', unload([{ ...ALL, reason: 'Bare' }])],
  ])('%s', (file, decision) => {
    const parsed = parseNotification(recordedNotification(`new/${file}`));
    expect(parsed.ok && decideOn(parsed.value, RULES, ROUTERS)).toEqual(decision);
  });
});

describe('an alert', () => {
  it('acts if it is firing and matches', () => {
    const resolved = anAlert({ firing: false });
    const other = anAlert({ labels: { action: 'page' } });
    expect(decide([resolved])).toEqual(ignore('resolved', 'no firing alerts'));
    expect(decide([])).toEqual(ignore('resolved', 'no firing alerts'));
    expect(decide([resolved, other])).toEqual(
      ignore('not_matched', 'no firing alert matches action="unload" (alerts.matchers)'),
    );
    expect(decide([other, resolved, anAlert()])).toEqual(unload([ALL]));
  });

  it('that is malformed is reported', () => {
    const detail = '1 malformed alerts ignored';
    expect(decideOn(aNotification([], { malformed: 1 }), RULES, ROUTERS)).toEqual(
      ignore('malformed', detail),
    );
    expect(decideOn(aNotification([anAlert()], { malformed: 1 }), RULES, ROUTERS)).toEqual(
      unload([ALL], detail),
    );
  });
});

describe('the routers of an alert', () => {
  const routers = [
    { value: 'gpu-box:*', router: 'gpu-box' },
    { value: '*:9400', router: 'attic' },
    { value: 'cellar:*', router: 'cellar' },
  ];
  const byInstance: Partial<AlertRules> = { router_label: 'instance', routers };

  it.each<[string, Alert['labels'], Partial<AlertRules>, string[]]>([
    ['all without a label', {}, {}, ['attic', 'gpu-box']],
    ['all allowed ones without a label', {}, { allowed_routers: ['gpu*'] }, ['gpu-box']],
    ['all with an empty label', { router: '' }, {}, ['attic', 'gpu-box']],
    ['by name', { router: 'attic' }, {}, ['attic']],
    ['by another label', { instance: 'gpu-box:8080' }, byInstance, ['gpu-box']],
    ['by several globs', { instance: 'gpu-box:9400' }, byInstance, ['attic', 'gpu-box']],
    ['by name rather than glob', { instance: 'attic' }, byInstance, ['attic']],
    [
      'by `router` rather than another label',
      { router: 'attic', instance: 'gpu-box:1' },
      byInstance,
      ['attic'],
    ],
    ['by globs on `router`', { router: 'gpu-box:1' }, { routers }, ['gpu-box']],
  ])('%s', (_, labels, rules, expected) =>
    expect(decide([anAlert({ labels })], rules)).toEqual(unload([{ ...ALL, routers: expected }])),
  );

  it.each<[string, Alert['labels'], Partial<AlertRules>, IgnoreReason, string]>([
    [
      'unknown',
      { router: 'x' },
      {},
      'unknown_router',
      'router="x" is unknown; known routers: gpu-box, attic',
    ],
    [
      'unknown in `router`, known in another label',
      { router: 'x', instance: 'gpu-box:8080' },
      byInstance,
      'unknown_router',
      'router="x" is unknown; known routers: gpu-box, attic',
    ],
    [
      'mapped to an unknown router',
      { instance: 'cellar:1' },
      byInstance,
      'unknown_router',
      'instance="cellar:1" maps to cellar, which is unknown; known routers: gpu-box, attic',
    ],
    [
      'not allowed',
      { router: 'attic' },
      { allowed_routers: ['gpu*'] },
      'not_allowed',
      'not in alerts.allowed_routers: attic',
    ],
    [
      'none allowed',
      {},
      { allowed_routers: [] },
      'not_allowed',
      'not in alerts.allowed_routers: gpu-box, attic',
    ],
    ['missing', {}, { without_router: 'ignore' }, 'no_router', 'no label router'],
    [
      'missing in both labels',
      {},
      { ...byInstance, without_router: 'ignore' },
      'no_router',
      'no label router or instance',
    ],
  ])('%s: the alert is ignored', (_, labels, rules, reason, detail) =>
    expect(decide([anAlert({ labels })], rules)).toEqual(ignore(reason, `GpuMemoryHigh: ${detail}`)),
  );

  it('partly allowed: acts on those and reports the others', () =>
    expect(
      decide([anAlert({ labels: { instance: 'gpu-box:9400' } })], {
        ...byInstance,
        allowed_routers: ['gpu*'],
      }),
    ).toEqual(
      unload([{ ...ALL, routers: ['gpu-box'] }], 'GpuMemoryHigh: not in alerts.allowed_routers: attic'),
    ));

  it('none are configured: the alert is ignored', () =>
    expect(decideOn(aNotification([anAlert()]), RULES, [])).toEqual(
      ignore('unknown_router', 'GpuMemoryHigh: no router is configured'),
    ));

  it('unknown in one alert: the other alerts act', () =>
    expect(decide([on('x'), on('attic')])).toEqual(
      unload(
        [{ ...ALL, routers: ['attic'] }],
        'GpuMemoryHigh: router="x" is unknown; known routers: gpu-box, attic',
      ),
    ));
});

describe('an option', () => {
  it.each<[string, string, Partial<AlertUnload>]>([
    ['unload_models', 'qwen*, gemma ,,qwen*', { selection: { ...selection, models: ['gemma', 'qwen*'] } }],
    ['unload_keep', 'embed*', { selection: { ...selection, keep: ['embed*'] } }],
    ['unload_when_busy', 'skip', { whenBusy: 'skip' }],
    ['unload_when_busy', ' force ', { whenBusy: 'force' }],
    ['unload_idle_for', '1h30m', { selection: { ...selection, idleForMs: 5_400_000 } }],
    ['unload_free_bytes', '8GiB', { selection: { ...selection, target: { freeBytes: 8 * 2 ** 30 } } }],
    ['unload_free_bytes', '8.5e+09', { selection: { ...selection, target: { freeBytes: 8.5e9 } } }],
    ['unload_until_ratio', '0.8', { selection: { ...selection, target: { untilRatio: 0.8 } } }],
    ['unload_until_ratio', '80 %', { selection: { ...selection, target: { untilRatio: 0.8 } } }],
    ['unload_hold', '5m', { holdMs: 300_000 }],
    ['unload_hold', '0', {}],
  ])('%s: %s, as annotation and as label', (name, text, expected) => {
    const rules: Partial<AlertRules> = { when_busy_limit: 'force', hold_limit: 600 };
    const decision = unload([{ ...ALL, ...expected }]);
    expect(decide([anAlert({ annotations: { [name]: text } })], rules)).toEqual(decision);
    expect(decide([anAlert({ labels: { [name]: text } })], rules)).toEqual(decision);
  });

  it('as annotation takes precedence over the label', () =>
    expect(decide([anAlert({ labels: { unload_keep: 'a' }, annotations: { unload_keep: 'b' } })])).toEqual(
      unload([{ ...ALL, selection: { ...selection, keep: ['b'] } }]),
    ));

  it.each<[string, string, string]>([
    ['unload_models', ' , ', `is " , "; expected globs separated by commas, such as 'qwen*,gemma-3'`],
    ['unload_models', '', `is empty; expected globs separated by commas, such as 'qwen*,gemma-3'`],
    ['unload_keep', ' ', `is empty; expected globs separated by commas, such as 'embed*,rerank*'`],
    ['unload_when_busy', 'Force', 'is "Force"; expected skip, wait or force'],
    ['unload_idle_for', '10 minutes', 'is "10 minutes"; expected a duration such as 10m'],
    ['unload_idle_for', '-10m', 'is "-10m"; expected a duration such as 10m'],
    ['unload_free_bytes', '8G', 'is "8G"; expected an amount above 0 such as 8GiB'],
    ['unload_free_bytes', '0', 'is "0"; expected an amount above 0 such as 8GiB'],
    ['unload_until_ratio', '80', 'is "80"; expected a ratio such as 0.8 or 80%'],
    ['unload_until_ratio', '-0.1', 'is "-0.1"; expected a ratio such as 0.8 or 80%'],
    ['unload_hold', 'NaN', 'is "NaN"; expected a duration such as 5m'],
  ])('%s=%j fails its alert', (name, text, fault) =>
    expect(decide([anAlert({ annotations: { [name]: text } })])).toEqual(
      ignore('malformed_wish', `GpuMemoryHigh: ${name} ${fault}`),
    ),
  );

  it.each<[string, string]>([
    ['unload_keeps', 'unknown option unload_keeps: did you mean unload_keep?'],
    [
      'unload_everything_now',
      'unknown option unload_everything_now; the options are unload_models, unload_keep, unload_gpu, unload_when_busy, unload_idle_for, unload_free_bytes, unload_until_ratio, unload_hold',
    ],
  ])('%s is unknown and fails its alert, as annotation and as label', (name, fault) => {
    const ignored = ignore('malformed_wish', `GpuMemoryHigh: ${fault}`);
    expect(decide([anAlert({ annotations: { [name]: 'a' } })])).toEqual(ignored);
    expect(decide([anAlert({ labels: { [name]: 'a' } })])).toEqual(ignored);
  });

  it('may not contradict another; all faults are reported', () => {
    const annotations = { unload_free_bytes: '1', unload_until_ratio: '1', unload_hold: 'x' };
    expect(decide([anAlert({ annotations })])).toEqual(
      ignore(
        'malformed_wish',
        'GpuMemoryHigh: unload_hold is "x"; expected a duration such as 5m; unload_free_bytes and unload_until_ratio cannot be combined: remove one',
      ),
    );
  });

  it('is missing if the label is empty, and the label unload_reason of our metrics is none', () => {
    expect(decide([anAlert({ labels: { unload_keep: '' } })])).toEqual(unload([ALL]));
    expect(decide([anAlert({ labels: { unload_reason: 'evicted' } })])).toEqual(unload([ALL]));
  });

  it('beyond the limits is reduced and reported', () => {
    const greedy = anAlert({ annotations: { unload_when_busy: 'force', unload_hold: '1h' } });
    expect(decide([greedy])).toEqual(
      unload(
        [ALL],
        'GpuMemoryHigh: unload_hold 1h ignored (alerts.hold_limit)',
        'GpuMemoryHigh: unload_when_busy force reduced to wait (alerts.when_busy_limit)',
      ),
    );
    expect(decide([greedy], { when_busy_limit: 'skip', hold_limit: 300 })).toEqual(
      unload(
        [{ ...ALL, whenBusy: 'skip', holdMs: 300_000 }],
        'GpuMemoryHigh: unload_hold 1h reduced to 5m (alerts.hold_limit)',
        'GpuMemoryHigh: unload_when_busy force reduced to skip (alerts.when_busy_limit)',
      ),
    );
  });
});

describe('several alerts', () => {
  it('with the same options are one unload on all their routers', () =>
    expect(
      decide([on('gpu-box', { summary: 'b' }), on('attic', { summary: 'a' }), on('attic', { summary: 'a' })]),
    ).toEqual(unload([{ ...ALL, reason: 'GpuMemoryHigh: a (and 1 more)' }])));

  it('that each name a model are one unload', () => {
    const alerts = ['b', 'a', 'c*'].map((model) =>
      on('attic', { unload_models: model, unload_idle_for: '1h' }),
    );
    const models = ['a', 'b', 'c*'];
    expect(decide(alerts)).toEqual(
      unload([{ ...ALL, routers: ['attic'], selection: { ...selection, models, idleForMs: 3_600_000 } }]),
    );
  });

  it('that differ in models and routers stay separate', () =>
    expect(decide([on('attic', { unload_models: 'a' }), on('gpu-box', { unload_models: 'b' })])).toEqual(
      unload([
        { ...ALL, routers: ['attic'], selection: { ...selection, models: ['a'] } },
        { ...ALL, routers: ['gpu-box'], selection: { ...selection, models: ['b'] } },
      ]),
    ));

  it('with a target are merged only for the same routers and models', () => {
    const enough = { unload_free_bytes: '1GiB' };
    const target = { ...ALL, selection: { ...selection, target: { freeBytes: 2 ** 30 } } };
    expect(decide([on('gpu-box', enough), on('attic', enough), on('attic', enough)])).toEqual(
      unload([
        { ...target, routers: ['attic'] },
        { ...target, routers: ['gpu-box'] },
      ]),
    );
  });

  it('with different options stay separate, the least intrusive first', () => {
    const options: Alert['annotations'][] = [
      {},
      { unload_idle_for: '1h' },
      { unload_models: 'qwen*' },
      { unload_when_busy: 'skip' },
      { unload_idle_for: '10m' },
      { unload_until_ratio: '0.9' },
      { unload_keep: 'embed*', unload_when_busy: 'skip' },
    ];
    const { unloads } = decide(options.map((annotations) => on('attic', annotations)));
    expect(unloads.map((each) => [each.whenBusy, each.selection])).toEqual([
      ['skip', { models: [], keep: ['embed*'] }],
      ['skip', { models: [], keep: [] }],
      ['wait', { models: [], keep: [], target: { untilRatio: 0.9 } }],
      ['wait', { models: ['qwen*'], keep: [] }],
      ['wait', { models: [], keep: [], idleForMs: 3_600_000 }],
      ['wait', { models: [], keep: [], idleForMs: 600_000 }],
      ['wait', { models: [], keep: [] }],
    ]);
  });

  it('that are ignored: the reason that most needs a fix, and at most ten details', () => {
    const invalid = Array.from({ length: 20 }, (_, i) => on('attic', { unload_hold: `x${i + 10}` }));
    const { ignored, details } = decide([on('x'), ...invalid]);
    expect([ignored, details.length, details.at(-1)]).toEqual(['malformed_wish', 11, 'and 11 more']);
  });
});

it('the reason is one short line without control characters, like a reason that the API accepts', () => {
  const summary = `line\nbreak \u001b[31mred\u202e ${'x'.repeat(5000)}`;
  const reason = decide([anAlert({ annotations: { summary } })]).unloads[0]?.reason ?? '';
  expect(reason).toMatch(/^GpuMemoryHigh: line break \[31mred x+…$/);
  expect([...reason]).toHaveLength(200);
  expect(reasonText.parse(reason)).toBe(reason);
});

describe('for any alerts', () => {
  const options: Record<string, string[]> = {
    unload_models: ['a*', 'b,c', ''],
    unload_keep: ['d', 'e*', ' '],
    unload_when_busy: ['skip', 'wait', 'force', 'never'],
    unload_idle_for: ['1m', '2h', 'soon'],
    unload_free_bytes: ['1GiB', '2e9', '-1'],
    unload_until_ratio: ['0.5', '90%', '2'],
    unload_hold: ['1m', '1h', 'x'],
    unload_wrong: ['x'],
  };
  const annotations = fc
    .subarray(Object.keys(options), { maxLength: 3 })
    .chain((names) =>
      fc.record(Object.fromEntries(names.map((name) => [name, fc.constantFrom(...(options[name] ?? []))]))),
    );
  const alert: fc.Arbitrary<Alert> = fc.record({
    firing: fc.boolean(),
    labels: fc.record({
      alertname: fc.constantFrom('A', 'B', 'C\n'),
      action: fc.constantFrom('unload', 'unload', 'page'),
      router: fc.constantFrom('gpu-box', 'attic', 'x', ''),
    }),
    annotations,
  });
  const alerts = fc.array(alert, { maxLength: 6 });
  const rules = fc
    .record({
      when_busy_limit: fc.constantFrom(...WHEN_BUSY),
      hold_limit: fc.constantFrom(0, 60, 600),
      allowed_routers: fc.constantFrom(['*'], ['gpu*'], []),
      without_router: fc.constantFrom('all' as const, 'ignore' as const),
    })
    .map((limits): AlertRules => ({ ...RULES, ...limits, when_busy: 'skip' }));

  it('resolved alerts start nothing', () => {
    fc.assert(
      fc.property(alerts, rules, (some, given) => {
        const resolved = some.map((each) => ({ ...each, firing: false }));
        expect(decide(resolved, given)).toEqual(ignore('resolved', 'no firing alerts'));
      }),
    );
  });

  it('no unload exceeds the limits', () => {
    fc.assert(
      fc.property(alerts, rules, (some, given) => {
        const isAllowed = (router: string) =>
          ROUTERS.includes(router) && given.allowed_routers.some((pattern) => matchesGlob(pattern, router));
        const excessive = decide(some, given).unloads.filter(
          ({ whenBusy, holdMs = 0, routers }) =>
            compareWhenBusy(whenBusy, given.when_busy_limit) > 0 ||
            holdMs > given.hold_limit * 1000 ||
            routers.length === 0 ||
            !routers.every(isAllowed),
        );
        expect(excessive).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  it('their order and repetition do not matter', () => {
    const shuffled = alerts.chain((some) =>
      fc.tuple(fc.constant(some), fc.shuffledSubarray(some, { minLength: some.length })),
    );
    fc.assert(
      fc.property(shuffled, rules, ([some, others], given) => {
        const decision = decide(some, given);
        expect(decide(others, given)).toEqual(decision);
        expect(decide([...some, ...others], given)).toEqual(decision);
      }),
      { numRuns: 500 },
    );
  });

  it('the effect does not depend on how Alertmanager groups them', () => {
    /** Each model pattern on each router with its options. */
    const effects = (decisions: AlertDecision[]) => {
      const each = decisions.flatMap(({ unloads }) =>
        unloads.flatMap(({ routers, selection: { models, ...more }, whenBusy, holdMs }) => {
          const patterns = more.target || models.length === 0 ? [models] : models.map((model) => [model]);
          return patterns.flatMap((pattern) =>
            routers.map((router) => JSON.stringify([router, pattern, more, whenBusy, holdMs])),
          );
        }),
      );
      return [...new Set(each)].sort();
    };
    fc.assert(
      fc.property(alerts, rules, (some, given) => {
        expect(effects([decide(some, given)])).toEqual(effects(some.map((each) => decide([each], given))));
      }),
      { numRuns: 1000 },
    );
  });
});
