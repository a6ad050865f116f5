import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MATCHER_CASES } from '../support/matcher-cases.ts';
import { amtool, type Monitor, pairVersions, promtool, startAlertmanager } from '../support/prometheus.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { until } from '../support/until.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';
import { yamlBlocks } from '../support/yaml-blocks.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'alertmanager');

/** The times in the recordings, instead of those of their day. */
const STARTED = '2026-01-01T09:00:00Z';
const ENDED = '2026-01-01T09:05:00Z';

interface PostedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ended?: boolean;
}

const memoryHigh = (router: string, more: Partial<PostedAlert> = {}): PostedAlert => ({
  labels: { alertname: 'GpuMemoryHighWithIdleModels', action: 'unload', router, severity: 'warning' },
  annotations: { summary: 'GPU memory is high while models are idle', unload_idle_for: '10m' },
  ...more,
});

const QUOTED: PostedAlert = {
  labels: {
    alertname: 'Speicher "voll" – 🦙',
    action: 'unload',
    path: 'C:\\models\nnext',
    router: 'gpu-box',
  },
  annotations: { summary: 'He said: "unload", näher {{ }}', unload_keep: 'a "quoted" näme,b*' },
};

/** What is posted, one step after the other, and the file in which the notification of each step is recorded. */
const STORIES: Record<string, { steps: PostedAlert[][]; recorded: string[] }> = {
  life: {
    steps: [
      [memoryHigh('gpu-box'), memoryHigh('attic')],
      [memoryHigh('gpu-box', { ended: true }), memoryHigh('attic')],
      [memoryHigh('attic', { ended: true })],
    ],
    recorded: ['firing.json', 'firing-and-resolved.json', 'resolved.json'],
  },
  repeat: {
    steps: [[memoryHigh('gpu-box')], []],
    recorded: ['first.json', 'repeated.json'],
  },
  truncated: {
    steps: [['a', 'b', 'c', 'd', 'e'].map((router) => memoryHigh(router))],
    recorded: ['truncated.json'],
  },
  quoted: { steps: [[QUOTED]], recorded: ['quoted.json'] },
  bare: {
    steps: [[{ labels: { alertname: 'Bare', action: 'unload' } }]],
    recorded: ['without-annotations.json'],
  },
};

/** A route and a receiver for each story; a wait in which all alerts of a step come together. */
const configOf = (url: string) => `
route:
  receiver: none
  group_wait: 2s
  group_interval: 1s
  group_by: [alertname]
  routes:
${Object.keys(STORIES).map(routeOf).join('\n')}
receivers:
  - name: none
${Object.keys(STORIES)
  .map((story) => receiverOf(story, url))
  .join('\n')}
`;

const routeOf = (story: string) => `
    - matchers: ['story="${story}"']
      receiver: ${story}
      repeat_interval: ${story === 'repeat' ? '1s' : '4h'}`;

const receiverOf = (story: string, url: string) => `
  - name: ${story}
    webhook_configs: [{ url: '${url}', max_alerts: ${story === 'truncated' ? 2 : 0} }]`;

describe.each(pairVersions)('a real Alertmanager (%s)', (version) => {
  let receiver: WebhookReceiver;
  let alertmanager: Monitor;

  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    alertmanager = await startAlertmanager({
      version,
      config: configOf(receiver.url),
      flags: ['--web.external-url=http://alertmanager.example:9093', '--web.route-prefix=/'],
    });
  });
  afterAll(async () => {
    await alertmanager?.stop();
    await receiver?.stop();
  });

  const post = async (alerts: readonly PostedAlert[], story: string, { started, ended }: Times) => {
    const body = alerts.map(({ labels, annotations, ended: isOver }) => ({
      labels: { ...labels, story },
      annotations,
      startsAt: started,
      endsAt: isOver ? ended : new Date(Date.now() + 3_600_000).toISOString(),
      generatorURL: 'http://prometheus.example:9090/graph?g0.expr=up',
    }));
    const answer = await fetch(`${alertmanager.url}/api/v2/alerts`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
  };

  it.each(Object.keys(STORIES))('sends what is recorded: %s', async (story) => {
    const { steps, recorded } = STORIES[story] ?? { steps: [], recorded: [] };
    const ours = () => receiver.bodies.filter((body) => body.startsWith(`{"receiver":"${story}"`));
    const times = timesFrom(Date.now());
    for (const [index, alerts] of steps.entries()) {
      if (alerts.length > 0) await post(alerts, story, times);
      const sent = await until(`notification ${index + 1} of ${story}`, () => ours()[index]);
      const body = sent.replaceAll(times.started, STARTED).replaceAll(times.ended, ENDED);
      const file = join(FIXTURES, version, recorded[index] ?? 'unexpected.json');
      if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, body);
      expect(body).toBe(readFileSync(file, 'utf8'));
    }
  });
});

/** Alertmanager's own reading of matchers, with which ours is to agree. */
describe.each(pairVersions)('amtool (%s)', (version) => {
  const folder = scratchFolder();

  it.each(MATCHER_CASES)('agrees with our matcher: %j, %j: %j', (matcher, labels, does) => {
    const file = join(folder, 'alertmanager.yml');
    const route = { receiver: 'others', routes: [{ matchers: [matcher], receiver: 'matched' }] };
    writeFileSync(file, JSON.stringify({ route, receivers: [{ name: 'others' }, { name: 'matched' }] }));
    const written = Object.entries({ alertname: 'A', ...labels }).map(
      ([label, value]) => `${label}=${JSON.stringify(value)}`,
    );
    const run = amtool(['config', 'routes', 'test', `--config.file=${file}`, ...written], {
      version,
      folders: [folder],
    });
    // It also prints warnings, of both versions different ones.
    const receivers = run.output.split('\n').filter((line) => /^(matched|others)$/.test(line));
    expect(receivers).toEqual([does ? 'matched' : 'others']);
  });
});

describe.each(pairVersions)('the examples of docs/alertmanager.md (%s)', (version) => {
  const folder = scratchFolder();
  const [alertmanager = '', rules = ''] = yamlBlocks('alertmanager.md');

  it('include a valid Alertmanager configuration', () => {
    const file = join(folder, 'alertmanager.yml');
    writeFileSync(file, alertmanager);
    expect(amtool(['check-config', file], { version, folders: [folder] })).toMatchObject({ code: 0 });
  });

  it('include valid Prometheus rules', () => {
    const file = join(folder, 'rules.yml');
    writeFileSync(file, rules);
    const checked = promtool(['check', 'rules', file], { version, folders: [folder] });
    expect(checked).toMatchObject({ code: 0, output: expect.stringContaining('1 rules found') });
  });
});

interface Times {
  readonly started: string;
  readonly ended: string;
}

/**
 * Now, for an alert that is older than `group_wait` is sent before the others of its group have come. Neither ends in
 * a zero, which Go would not write.
 */
function timesFrom(now: number): Times {
  const started = now - (now % 10) + 1;
  return { started: new Date(started).toISOString(), ended: new Date(started + 1).toISOString() };
}
