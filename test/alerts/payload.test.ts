import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Alert, type Notification, parseNotification } from '../../src/alerts/payload.ts';
import { grafanaNotification, recordedNotification } from '../support/notification.ts';
import { pairVersions } from '../support/prometheus.ts';

const memoryHigh = (story: string, router: string, firing = true): Alert => ({
  firing,
  labels: {
    action: 'unload',
    alertname: 'GpuMemoryHighWithIdleModels',
    router,
    severity: 'warning',
    story,
  },
  annotations: { summary: 'GPU memory is high while models are idle', unload_idle_for: '10m' },
});

const notification = (alerts: Alert[], truncated = 0): Notification => ({ alerts, truncated, malformed: 0 });

describe.each(pairVersions)('recorded from Alertmanager (%s)', (version) => {
  it.each<[string, Notification]>([
    ['firing.json', notification([memoryHigh('life', 'attic'), memoryHigh('life', 'gpu-box')])],
    [
      'firing-and-resolved.json',
      notification([memoryHigh('life', 'attic'), memoryHigh('life', 'gpu-box', false)]),
    ],
    ['resolved.json', notification([memoryHigh('life', 'attic', false)])],
    ['first.json', notification([memoryHigh('repeat', 'gpu-box')])],
    ['repeated.json', notification([memoryHigh('repeat', 'gpu-box')])],
    ['truncated.json', notification([memoryHigh('truncated', 'a'), memoryHigh('truncated', 'b')], 3)],
    [
      'quoted.json',
      notification([
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
        },
      ]),
    ],
    [
      'without-annotations.json',
      notification([
        { firing: true, labels: { action: 'unload', alertname: 'Bare', story: 'bare' }, annotations: {} },
      ]),
    ],
  ])('%s', (file, value) =>
    expect(parseNotification(recordedNotification(`${version}/${file}`))).toEqual({ ok: true, value }),
  );
});

describe('from Grafana', () => {
  const idle = (router: string, firing = true): Alert => ({
    firing,
    labels: {
      action: 'unload',
      alertname: 'Idle models on a full GPU',
      grafana_folder: 'GPU',
      router,
      severity: 'warning',
    },
    annotations: { summary: 'GPU memory is full, and idle models hold part of it.', unload_idle_for: '10m' },
  });

  it.each<[string, Notification]>([
    ['firing', notification([idle('attic'), idle('cellar')])],
    ['firing-and-resolved', notification([idle('attic'), idle('cellar', false)])],
    ['truncated', notification([idle('attic')], 3)],
    ['grafana-8', notification([idle('attic')])],
    [
      'test-button',
      notification([
        {
          firing: true,
          labels: { alertname: 'TestAlert', instance: 'Grafana' },
          annotations: { summary: 'Notification test' },
        },
      ]),
    ],
  ])('%s', (name, value) =>
    expect(parseNotification(grafanaNotification(name))).toEqual({ ok: true, value }),
  );
});

it('malformed alerts are left out and counted', () => {
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
    { ...alert, annotations: null },
    { ...alert, status: 'suppressed', something: 'new' },
  ];
  expect(parseNotification({ version: '4', alerts })).toEqual({
    ok: true,
    value: {
      alerts: [
        { firing: true, labels: { a: 'b' }, annotations: {} },
        { firing: false, labels: { a: 'b' }, annotations: {} },
      ],
      truncated: 0,
      malformed: 8,
    },
  });
});

const VERSIONS = 'expected "4" of Alertmanager or "1" of Grafana, without a custom payload';

it.each<[unknown, string]>([
  [undefined, 'the body is not a JSON object'],
  [null, 'the body is not a JSON object'],
  ['{}', 'the body is not a JSON object'],
  [[], 'the body is not a JSON object'],
  [{}, `version is missing; ${VERSIONS}`],
  [{ version: '3', alerts: [] }, `version is "3"; ${VERSIONS}`],
  [{ version: 4, alerts: [] }, `version is a number; ${VERSIONS}`],
  [{ version: '4' }, 'alerts is not a list'],
  [{ version: '4', alerts: {} }, 'alerts is not a list'],
])('%j is not a notification', (body, problem) =>
  expect(parseNotification(body)).toEqual({
    ok: false,
    fault: `not a notification of Alertmanager or Grafana: ${problem}`,
  }),
);

it('never throws, for any body', () => {
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

it('at most 1000 alerts are read, the others are counted', () => {
  const alerts = Array.from({ length: 1500 }, (_, index) => ({
    status: 'firing',
    labels: { action: 'unload', index: String(index) },
  }));
  const parsed = parseNotification({ version: '4', alerts, truncatedAlerts: 7 });
  if (!parsed.ok) throw new Error(parsed.fault);
  const { alerts: taken, truncated, malformed } = parsed.value;
  expect([taken.length, taken.at(-1)?.labels.index, truncated, malformed]).toEqual([1000, '999', 507, 0]);
});
