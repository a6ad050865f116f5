import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Alert, parseNotification } from '../../src/alerts/payload.ts';
import { type AlertDecision, decideOn, type IgnoreReason } from '../../src/alerts/policy.ts';
import type { AlertUnload } from '../../src/alerts/requests.ts';
import { type AlertRules, rulesOf } from '../../src/alerts/rules.ts';
import { loadConfig } from '../../src/config/load.ts';
import { compareWhenBusy, WHEN_BUSY } from '../../src/config/when-busy.ts';
import { matchesGlob } from '../../src/lib/glob.ts';
import { aNotification, anAlert, recordedNotification } from '../support/notification.ts';

const RULES = rulesOf(loadConfig({ env: {}, flags: {} }).alerts);
const ROUTERS = ['gpu-box', 'attic'];

const decide = (alerts: readonly Alert[], rules: Partial<AlertRules> = {}, routers = ROUTERS) =>
  decideOn(aNotification(alerts), { ...RULES, ...rules }, routers);

/** What is asked for when nothing is said. */
const ALL: AlertUnload = {
  routers: ['attic', 'gpu-box'],
  selection: { models: [], keep: [] },
  whenBusy: 'wait',
  reason: 'GpuMemoryHigh',
  fingerprints: [],
};

const unload = (requests: AlertUnload[], ...details: string[]): AlertDecision => ({
  kind: 'unload',
  requests,
  details,
});
const ignore = (reason: IgnoreReason, ...details: string[]): AlertDecision => ({
  kind: 'ignore',
  reason,
  details,
});
const about = (router: string, annotations: Alert['annotations'] = {}) =>
  anAlert({ labels: { router }, annotations });

it('the defaults as rules', () => {
  expect(RULES).toEqual({
    matchers: [{ label: 'action', operator: '=', value: 'unload' }],
    routerLabel: 'router',
    targets: [],
    withoutRouter: 'all',
    whenBusy: 'wait',
    whenBusyLimit: 'wait',
    holdLimitMs: 0,
    allowedRouters: ['*'],
  });
});

describe('what Alertmanager really sends', () => {
  const decideOnRecorded = (file: string) => {
    const notification = parseNotification(recordedNotification(`new/${file}`));
    return notification.ok && decideOn(notification.value, RULES, ROUTERS);
  };
  const reason = 'GpuMemoryHighWithIdleModels: GPU memory is high while models are idle';
  const idle = { ...ALL, selection: { ...ALL.selection, idleForMs: 600_000 }, reason };

  it.each<[string, AlertDecision]>([
    ['firing.json', unload([{ ...idle, fingerprints: ['19d4abe2a7bd4c67', '1c7e958186d30754'] }])],
    [
      'firing-and-resolved.json',
      unload([{ ...idle, routers: ['attic'], fingerprints: ['1c7e958186d30754'] }]),
    ],
    ['resolved.json', ignore('resolved', 'no alert fires')],
    ['repeated.json', unload([{ ...idle, routers: ['gpu-box'], fingerprints: ['c4e6365dbbdc5b80'] }])],
    [
      'truncated.json',
      ignore(
        'unknown_router',
        "3 more alerts of the group were left out: Alertmanager's max_alerts, or beyond a thousand",
        'GpuMemoryHighWithIdleModels: router="a" is no router: there is gpu-box, attic',
        'GpuMemoryHighWithIdleModels: router="b" is no router: there is gpu-box, attic',
      ),
    ],
    [
      'quoted.json',
      unload([
        {
          ...ALL,
          routers: ['gpu-box'],
          selection: { ...ALL.selection, keep: ['a "quoted" näme', 'b*'] },
          reason: 'Speicher "voll" – 🦙: He said: "unload", näher {{ }}',
          fingerprints: ['8fd55b7022e7e163'],
        },
      ]),
    ],
    ['without-annotations.json', unload([{ ...ALL, reason: 'Bare', fingerprints: ['a1f9f2829cf5c09a'] }])],
  ])('%s', (file, decision) => expect(decideOnRecorded(file)).toEqual(decision));
});

describe('an alert', () => {
  it('that is over or does not match is none', () => {
    const over = anAlert({ firing: false });
    const other = anAlert({ labels: { action: 'page' } });
    expect(decide([over])).toEqual(ignore('resolved', 'no alert fires'));
    expect(decide([])).toEqual(ignore('resolved', 'no alert fires'));
    expect(decide([over, other])).toEqual(
      ignore('not_matched', 'no alert that fires matches action="unload" (alerts.matchers)'),
    );
    expect(decide([other, over, anAlert()])).toEqual(unload([ALL]));
  });

  it('that could not be read is told of', () => {
    const left = '1 of the alerts could not be read and were left out';
    expect(decideOn(aNotification([], { malformed: 1 }), RULES, ROUTERS)).toEqual(ignore('malformed', left));
    expect(decideOn(aNotification([anAlert()], { malformed: 1 }), RULES, ROUTERS)).toEqual(
      unload([ALL], left),
    );
  });
});

describe('the routers of an alert', () => {
  const targets = [
    { value: 'gpu-box:*', router: 'gpu-box' },
    { value: '*:9400', router: 'attic' },
    { value: 'cellar:*', router: 'cellar' },
  ];
  const byInstance: Partial<AlertRules> = { routerLabel: 'instance', targets };

  it.each<[string, Alert['labels'], Partial<AlertRules>, string[]]>([
    ['none said: all', {}, {}, ['attic', 'gpu-box']],
    ['none said: all that are allowed', {}, { allowedRouters: ['gpu*'] }, ['gpu-box']],
    ['an empty label is none', { router: '' }, {}, ['attic', 'gpu-box']],
    ['by name', { router: 'attic' }, {}, ['attic']],
    ['by another label', { instance: 'gpu-box:8080' }, byInstance, ['gpu-box']],
    ['several globs match', { instance: 'gpu-box:9400' }, byInstance, ['attic', 'gpu-box']],
    ['the name of a router comes before globs', { instance: 'attic' }, byInstance, ['attic']],
    ['`router` comes first', { router: 'attic', instance: 'gpu-box:8080' }, byInstance, ['attic']],
    ['globs on `router` itself', { router: 'gpu-box:1' }, { targets }, ['gpu-box']],
  ])('%s', (_, labels, rules, routers) =>
    expect(decide([anAlert({ labels })], rules)).toEqual(unload([{ ...ALL, routers }])),
  );

  it.each<[string, Alert['labels'], Partial<AlertRules>, IgnoreReason, string]>([
    ['unknown', { router: 'x' }, {}, 'unknown_router', 'router="x" is no router: there is gpu-box, attic'],
    [
      'unknown, though another label would tell one',
      { router: 'x', instance: 'gpu-box:8080' },
      byInstance,
      'unknown_router',
      'router="x" is no router: there is gpu-box, attic',
    ],
    [
      'not followed',
      { instance: 'cellar:1' },
      byInstance,
      'unknown_router',
      'instance="cellar:1" means cellar, which is not followed: there is gpu-box, attic',
    ],
    [
      'not allowed',
      { router: 'attic' },
      { allowedRouters: ['gpu*'] },
      'not_allowed',
      'attic is not in alerts.allowed_routers',
    ],
    [
      'none allowed',
      {},
      { allowedRouters: [] },
      'not_allowed',
      'alerts.allowed_routers allows none of the routers',
    ],
    ['not said', {}, { withoutRouter: 'ignore' }, 'no_router', 'it has no label router'],
    [
      'not said by either label',
      {},
      { ...byInstance, withoutRouter: 'ignore' },
      'no_router',
      'it has no label router or instance',
    ],
  ])('%s: ignored', (_, labels, rules, reason, detail) =>
    expect(decide([anAlert({ labels })], rules)).toEqual(ignore(reason, `GpuMemoryHigh: ${detail}`)),
  );

  it('partly allowed: those, and it is told', () =>
    expect(
      decide([anAlert({ labels: { instance: 'gpu-box:9400' } })], {
        ...byInstance,
        allowedRouters: ['gpu*'],
      }),
    ).toEqual(
      unload([{ ...ALL, routers: ['gpu-box'] }], 'GpuMemoryHigh: attic is not in alerts.allowed_routers'),
    ));

  it('unknown in one alert holds up no other', () =>
    expect(decide([about('x'), about('attic')])).toEqual(
      unload(
        [{ ...ALL, routers: ['attic'] }],
        'GpuMemoryHigh: router="x" is no router: there is gpu-box, attic',
      ),
    ));
});

describe('a wish', () => {
  const { selection } = ALL;
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
  ])('%s: %s', (name, text, wanted) => {
    const rules: Partial<AlertRules> = { whenBusyLimit: 'force', holdLimitMs: 600_000 };
    const decision = unload([{ ...ALL, ...wanted }]);
    expect(decide([anAlert({ annotations: { [name]: text } })], rules)).toEqual(decision);
    expect(decide([anAlert({ labels: { [name]: text } })], rules)).toEqual(decision);
  });

  it('in an annotation comes before the one in a label', () =>
    expect(decide([anAlert({ labels: { unload_keep: 'a' }, annotations: { unload_keep: 'b' } })])).toEqual(
      unload([{ ...ALL, selection: { ...selection, keep: ['b'] } }]),
    ));

  it.each<[string, string, string]>([
    ['unload_models', ' , ', `is " , ": write globs with commas between them, such as 'qwen*,gemma-3'`],
    ['unload_models', '', `is empty: write globs with commas between them, such as 'qwen*,gemma-3'`],
    ['unload_keep', ' ', `is empty: write globs with commas between them, such as 'embed*,rerank*'`],
    ['unload_when_busy', 'Force', 'is "Force": write skip, wait or force'],
    ['unload_idle_for', '10 minutes', 'is "10 minutes": write a duration such as 10m'],
    ['unload_idle_for', '-10m', 'is "-10m": write a duration such as 10m'],
    ['unload_free_bytes', '8G', 'is "8G": write bytes such as 8GiB, more than none'],
    ['unload_free_bytes', '0', 'is "0": write bytes such as 8GiB, more than none'],
    ['unload_until_ratio', '80', 'is "80": write a ratio such as 0.8 or 80%'],
    ['unload_until_ratio', '-0.1', 'is "-0.1": write a ratio such as 0.8 or 80%'],
    ['unload_hold', 'NaN', 'is "NaN": write a duration such as 5m'],
    ['unload_keeps', 'a', 'is no wish: did you mean unload_keep?'],
    [
      'unload_everything_now',
      'a',
      'is no wish: there is unload_models, unload_keep, unload_when_busy, unload_idle_for, unload_free_bytes, unload_until_ratio, unload_hold',
    ],
  ])('%s=%j is refused with its alert', (name, text, words) =>
    expect(decide([anAlert({ annotations: { [name]: text } })])).toEqual(
      ignore('malformed_wish', `GpuMemoryHigh: ${name} ${words}`),
    ),
  );

  it('that contradicts another is refused, and several are told together', () =>
    expect(
      decide([
        anAlert({ annotations: { unload_free_bytes: '1', unload_until_ratio: '1', unload_hold: 'x' } }),
      ]),
    ).toEqual(
      ignore(
        'malformed_wish',
        'GpuMemoryHigh: unload_hold is "x": write a duration such as 5m; unload_free_bytes and unload_until_ratio exclude each other: keep one of them',
      ),
    ));

  it('that is misspelt as a label is refused too, but a label of our own metrics is none', () => {
    expect(decide([anAlert({ labels: { unload_kep: 'a' } })])).toEqual(
      ignore('malformed_wish', 'GpuMemoryHigh: unload_kep is no wish: did you mean unload_keep?'),
    );
    expect(decide([anAlert({ labels: { unload_reason: 'evicted' } })])).toEqual(unload([ALL]));
  });

  it('that is empty as a label is none, as in Prometheus', () =>
    expect(decide([anAlert({ labels: { unload_keep: '' } })])).toEqual(unload([ALL])));

  it('beyond the bounds is cut down, and it is told', () => {
    const greedy = anAlert({ annotations: { unload_when_busy: 'force', unload_hold: '1h' } });
    expect(decide([greedy])).toEqual(
      unload(
        [ALL],
        'GpuMemoryHigh: unload_hold 1h was left out, alerts.hold_limit is 0s',
        'GpuMemoryHigh: unload_when_busy force was cut to alerts.when_busy_limit, wait',
      ),
    );
    expect(decide([greedy], { whenBusyLimit: 'skip', holdLimitMs: 300_000 })).toEqual(
      unload(
        [{ ...ALL, whenBusy: 'skip', holdMs: 300_000 }],
        'GpuMemoryHigh: unload_hold 1h was cut to alerts.hold_limit, 5m',
        'GpuMemoryHigh: unload_when_busy force was cut to alerts.when_busy_limit, skip',
      ),
    );
  });
});

describe('several alerts', () => {
  const { selection } = ALL;

  it('with the same wishes are one request, for all their routers', () =>
    expect(
      decide([
        { ...about('gpu-box', { summary: 'b' }), fingerprint: '2' },
        { ...about('attic', { summary: 'a' }), fingerprint: '1' },
        { ...about('attic', { summary: 'a' }), fingerprint: '1' },
      ]),
    ).toEqual(unload([{ ...ALL, reason: 'GpuMemoryHigh: a (and 1 more)', fingerprints: ['1', '2'] }])));

  it('that each name a model are one request, as from a rule per model', () =>
    expect(
      decide(
        ['b', 'a', 'c*'].map((model) => about('attic', { unload_models: model, unload_idle_for: '1h' })),
      ),
    ).toEqual(
      unload([
        {
          ...ALL,
          routers: ['attic'],
          selection: { ...selection, models: ['a', 'b', 'c*'], idleForMs: 3_600_000 },
        },
      ]),
    ));

  it('that differ in models and routers ask for no more than each alone', () =>
    expect(
      decide([about('attic', { unload_models: 'a' }), about('gpu-box', { unload_models: 'b' })]),
    ).toEqual(
      unload([
        { ...ALL, routers: ['attic'], selection: { ...selection, models: ['a'] } },
        { ...ALL, routers: ['gpu-box'], selection: { ...selection, models: ['b'] } },
      ]),
    ));

  it('with targets are one only for the same routers and models', () => {
    const enough = { unload_free_bytes: '1GiB' };
    const target = { ...ALL, selection: { ...selection, target: { freeBytes: 2 ** 30 } } };
    expect(decide([about('gpu-box', enough), about('attic', enough), about('attic', enough)])).toEqual(
      unload([
        { ...target, routers: ['attic'] },
        { ...target, routers: ['gpu-box'] },
      ]),
    );
  });

  it('with different wishes for a router stay apart, the gentlest first', () => {
    const wishes = [
      {},
      { unload_idle_for: '1h' },
      { unload_models: 'qwen*' },
      { unload_when_busy: 'skip' },
      { unload_idle_for: '10m' },
      { unload_until_ratio: '0.9' },
      { unload_keep: 'embed*', unload_when_busy: 'skip' },
    ];
    const decision = decide(wishes.map((annotations) => about('attic', annotations)));
    const asked = decision.kind === 'unload' ? decision.requests : [];
    expect(asked.map(({ whenBusy, selection }) => [whenBusy, selection])).toEqual([
      ['skip', { models: [], keep: ['embed*'] }],
      ['skip', { models: [], keep: [] }],
      ['wait', { models: [], keep: [], target: { untilRatio: 0.9 } }],
      ['wait', { models: ['qwen*'], keep: [] }],
      ['wait', { models: [], keep: [], idleForMs: 3_600_000 }],
      ['wait', { models: [], keep: [], idleForMs: 600_000 }],
      ['wait', { models: [], keep: [] }],
    ]);
  });

  it('of which some are refused: the most telling reason, at most ten details', () => {
    const decision = decide([
      about('x'),
      ...Array.from({ length: 20 }, (_, i) => about('attic', { unload_hold: `x${i + 10}` })),
    ]);
    expect(decision).toMatchObject({ kind: 'ignore', reason: 'malformed_wish' });
    expect(decision.details).toHaveLength(11);
    expect(decision.details.at(-1)).toBe('and 11 more');
  });
});

it('a reason is short and on one line, whatever the alert says', () => {
  const decision = decide([anAlert({ annotations: { summary: `line\nbreak ${'x'.repeat(5000)}` } })]);
  const reason = decision.kind === 'unload' ? (decision.requests[0]?.reason ?? '') : '';
  expect(reason).toBe(`GpuMemoryHigh: line break ${'x'.repeat(173)}…`);
  expect([...reason]).toHaveLength(200);
});

describe('whatever the alerts say', () => {
  const WISHES: Record<string, string[]> = {
    unload_models: ['a*', 'b,c', ''],
    unload_keep: ['d', 'e*', ' '],
    unload_when_busy: ['skip', 'wait', 'force', 'never'],
    unload_idle_for: ['1m', '2h', 'soon'],
    unload_free_bytes: ['1GiB', '2e9', '-1'],
    unload_until_ratio: ['0.5', '90%', '2'],
    unload_hold: ['1m', '1h', 'x'],
    unload_wrong: ['x'],
  };
  const said = fc
    .dictionary(fc.constantFrom(...Object.keys(WISHES)), fc.nat(3), { maxKeys: 3 })
    .map((chosen) =>
      Object.fromEntries(
        Object.entries(chosen).map(([name, index]) => [
          name,
          WISHES[name]?.at(index % WISHES[name].length) ?? '',
        ]),
      ),
    );
  const alert: fc.Arbitrary<Alert> = fc.record(
    {
      firing: fc.boolean(),
      labels: fc.record({
        alertname: fc.constantFrom('A', 'B', 'C\n'),
        action: fc.constantFrom('unload', 'unload', 'page'),
        router: fc.constantFrom('gpu-box', 'attic', 'x', ''),
      }),
      annotations: said,
      fingerprint: fc.constantFrom('1', '2', '3'),
    },
    { requiredKeys: ['firing', 'labels', 'annotations'] },
  );
  const alerts = fc.array(alert, { maxLength: 6 });
  const bounds = fc
    .record({
      whenBusyLimit: fc.constantFrom(...WHEN_BUSY),
      holdLimitMs: fc.constantFrom(0, 60_000, 600_000),
      allowedRouters: fc.constantFrom(['*'], ['gpu*'], []),
      withoutRouter: fc.constantFrom('all' as const, 'ignore' as const),
    })
    .map((bounds): AlertRules => ({ ...RULES, ...bounds, whenBusy: 'skip' }));

  it('nothing is done when all of them are over', () => {
    fc.assert(
      fc.property(alerts, bounds, (some, rules) => {
        const over = some.map((each) => ({ ...each, firing: false }));
        expect(decide(over, rules)).toEqual(ignore('resolved', 'no alert fires'));
      }),
    );
  });

  it('nothing goes beyond the bounds', () => {
    fc.assert(
      fc.property(alerts, bounds, (some, rules) => {
        const decision = decide(some, rules);
        for (const request of decision.kind === 'unload' ? decision.requests : []) {
          expect(compareWhenBusy(request.whenBusy, rules.whenBusyLimit)).toBeLessThanOrEqual(0);
          expect(request.holdMs ?? 0).toBeLessThanOrEqual(rules.holdLimitMs);
          expect(request.routers).not.toEqual([]);
          for (const router of request.routers) {
            expect(ROUTERS).toContain(router);
            expect(rules.allowedRouters.some((pattern) => matchesGlob(pattern, router))).toBe(true);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('the order of alerts and routers does not matter', () => {
    const shuffled = alerts.chain((some) =>
      fc.tuple(fc.constant(some), fc.shuffledSubarray(some, { minLength: some.length })),
    );
    fc.assert(
      fc.property(shuffled, bounds, ([some, others], rules) => {
        const decision = decide(some, rules);
        expect(decide(others, rules)).toEqual(decision);
        expect(decide([...some, ...others], rules)).toEqual(decision);
      }),
      { numRuns: 1000 },
    );
  });

  it('what is asked for does not depend on how Alertmanager groups alerts', () => {
    /** Each request as what it does: to which models of which router, and how. */
    const operationMetrics = (decisions: AlertDecision[]) => {
      const requests = decisions.flatMap((decision) => (decision.kind === 'unload' ? decision.requests : []));
      const each = requests.flatMap(({ routers, selection, whenBusy, holdMs }) => {
        const models = selection.target ? [selection.models] : selection.models.map((model) => [model]);
        return (models.length > 0 ? models : [[]]).flatMap((those) =>
          routers.map((router) =>
            JSON.stringify([router, { ...selection, models: those }, whenBusy, holdMs]),
          ),
        );
      });
      return [...new Set(each)].sort();
    };
    fc.assert(
      fc.property(alerts, bounds, (some, rules) => {
        expect(operationMetrics([decide(some, rules)])).toEqual(
          operationMetrics(some.map((each) => decide([each], rules))),
        );
      }),
      { numRuns: 1000 },
    );
  });
});
