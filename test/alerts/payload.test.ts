import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Alert, parseNotification } from '../../src/alerts/payload.ts';
import { recordedNotification } from '../support/notification.ts';
import { pairVersions } from '../support/prometheus.ts';

const memoryHigh = (story: string, router: string, fingerprint: string, firing = true): Alert => ({
  firing,
  labels: {
    action: 'unload',
    alertname: 'GpuMemoryHighWithIdleModels',
    router,
    severity: 'warning',
    story,
  },
  annotations: { summary: 'GPU memory is high while models are idle', unload_idle_for: '10m' },
  fingerprint,
});

const groupKeyOf = (story: string) => `{}/{story="${story}"}:{alertname="GpuMemoryHighWithIdleModels"}`;
const REPEATED = {
  receiver: 'repeat',
  groupKey: groupKeyOf('repeat'),
  alerts: [memoryHigh('repeat', 'gpu-box', 'c4e6365dbbdc5b80')],
  truncated: 0,
  malformed: 0,
};
const LIFE = { receiver: 'life', groupKey: groupKeyOf('life'), truncated: 0, malformed: 0 };

describe.each(pairVersions)('what Alertmanager sends (%s)', (version) => {
  it.each([
    [
      'firing.json',
      {
        ...LIFE,
        alerts: [
          memoryHigh('life', 'attic', '1c7e958186d30754'),
          memoryHigh('life', 'gpu-box', '19d4abe2a7bd4c67'),
        ],
      },
    ],
    [
      'firing-and-resolved.json',
      {
        ...LIFE,
        alerts: [
          memoryHigh('life', 'attic', '1c7e958186d30754'),
          memoryHigh('life', 'gpu-box', '19d4abe2a7bd4c67', false),
        ],
      },
    ],
    ['resolved.json', { ...LIFE, alerts: [memoryHigh('life', 'attic', '1c7e958186d30754', false)] }],
    ['first.json', REPEATED],
    ['repeated.json', REPEATED],
    [
      'truncated.json',
      {
        receiver: 'truncated',
        groupKey: groupKeyOf('truncated'),
        alerts: [
          memoryHigh('truncated', 'a', '4e425c401d4e6de6'),
          memoryHigh('truncated', 'b', '32a23e635ef9d19f'),
        ],
        truncated: 3,
        malformed: 0,
      },
    ],
    [
      'quoted.json',
      {
        receiver: 'quoted',
        groupKey: String.raw`{}/{story="quoted"}:{alertname="Speicher \"voll\" – 🦙"}`,
        alerts: [
          {
            firing: true,
            labels: {
              action: 'unload',
              alertname: 'Speicher "voll" – 🦙',
              path: 'C:\\models\nnext',
              router: 'gpu-box',
              story: 'quoted',
            },
            annotations: { summary: 'He said: "unload", näher {{ }}', unload_keep: 'a "quoted" näme,b*' },
            fingerprint: '8fd55b7022e7e163',
          },
        ],
        truncated: 0,
        malformed: 0,
      },
    ],
    [
      'without-annotations.json',
      {
        receiver: 'bare',
        groupKey: '{}/{story="bare"}:{alertname="Bare"}',
        alerts: [
          {
            firing: true,
            labels: { action: 'unload', alertname: 'Bare', story: 'bare' },
            annotations: {},
            fingerprint: 'a1f9f2829cf5c09a',
          },
        ],
        truncated: 0,
        malformed: 0,
      },
    ],
  ])('%s', (file, value) =>
    expect(parseNotification(recordedNotification(`${version}/${file}`))).toEqual({ ok: true, value }),
  );
});

it('leaves out and counts what is no alert', () => {
  const alert = { status: 'firing', labels: { a: 'b' } };
  const alerts = [
    null,
    7,
    {},
    { status: 'firing' },
    { labels: {} },
    { status: 'firing', labels: { a: 1 } },
    { ...alert, annotations: { unload_keep: 7 } },
    { ...alert, annotations: 'none' },
    { ...alert, annotations: null, fingerprint: 7 },
    { ...alert, status: 'suppressed', something: 'new' },
  ];
  expect(parseNotification({ version: '4', alerts })).toEqual({
    ok: true,
    value: {
      receiver: '',
      groupKey: '',
      alerts: [
        { firing: true, labels: { a: 'b' }, annotations: {} },
        { firing: false, labels: { a: 'b' }, annotations: {} },
      ],
      truncated: 0,
      malformed: 8,
    },
  });
});

it('takes hundreds of alerts', () => {
  const alerts = Array.from({ length: 500 }, (_, i) => ({ status: 'firing', labels: { i: `${i}` } }));
  const notification = parseNotification({ version: '4', alerts, truncatedAlerts: 'many' });
  expect(notification.ok && [notification.value.alerts.length, notification.value.truncated]).toEqual([
    500, 0,
  ]);
});

const NONE = "not a notification of Alertmanager's webhook: ";

it.each<[unknown, string]>([
  [undefined, 'the body is no JSON object'],
  [null, 'the body is no JSON object'],
  ['{}', 'the body is no JSON object'],
  [[], 'the body is no JSON object'],
  [{}, 'it has no version, which is "4"'],
  [{ version: '1', alerts: [] }, 'its version is "1", and only "4" is understood'],
  [{ version: 4, alerts: [] }, 'its version is number, and only "4" is understood'],
  [{ version: '4' }, 'alerts is no list'],
  [{ version: '4', alerts: {} }, 'alerts is no list'],
])('%j is none', (body, fault) =>
  expect(parseNotification(body)).toEqual({ ok: false, fault: NONE + fault }),
);

it('never throws, whatever the body is', () => {
  const bodies = fc.oneof(
    fc.jsonValue(),
    fc.record({ version: fc.constant('4'), alerts: fc.array(fc.jsonValue()) }),
    fc.record({
      version: fc.constant('4'),
      alerts: fc.array(
        fc.record({
          status: fc.oneof(fc.constant('firing'), fc.jsonValue()),
          labels: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.jsonValue()),
          annotations: fc.jsonValue(),
        }),
      ),
    }),
  );
  fc.assert(
    fc.property(bodies, (body) => {
      const { alerts } = (body ?? {}) as { alerts?: unknown[] };
      const notification = parseNotification(JSON.parse(JSON.stringify(body)));
      if (notification.ok)
        expect(notification.value.alerts.length + notification.value.malformed).toBe(alerts?.length);
    }),
  );
});

it('takes a thousand alerts, and tells how many it left out', () => {
  const alerts = Array.from({ length: 1500 }, (_, index) => ({
    status: 'firing',
    labels: { action: 'unload', index: String(index) },
  }));
  const parsed = parseNotification({ version: '4', alerts, truncatedAlerts: 7 });
  if (!parsed.ok) throw new Error(parsed.fault);
  const { alerts: taken, truncated, malformed } = parsed.value;
  expect([taken.length, taken.at(-1)?.labels.index, truncated, malformed]).toEqual([1000, '999', 507, 0]);
});
