import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Alert, Notification } from '../../src/alerts/payload.ts';

/** A firing alert that matches the default matchers. */
export function anAlert({ labels = {}, ...more }: Partial<Alert> = {}): Alert {
  return {
    firing: true,
    labels: { alertname: 'GpuMemoryHigh', action: 'unload', ...labels },
    annotations: {},
    ...more,
  };
}

/** A notification of these alerts. */
export function aNotification(alerts: readonly Alert[], more: Partial<Notification> = {}): Notification {
  return { alerts, truncated: 0, malformed: 0, ...more };
}

/** The body of a real notification: test/fixtures/alertmanager/README.md. */
export function recordedNotification(file: string): unknown {
  return fixture(join('alertmanager', file));
}

/** A body as Grafana sends it: test/fixtures/grafana-alerting/README.md. */
export function grafanaNotification(name: string) {
  return fixture(join('grafana-alerting', `${name}.json`)) as { alerts: Record<string, unknown>[] };
}

function fixture(path: string): unknown {
  return JSON.parse(readFileSync(join(import.meta.dirname, '..', 'fixtures', path), 'utf8'));
}
