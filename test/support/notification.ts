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
  const path = join(import.meta.dirname, '..', 'fixtures', 'alertmanager', file);
  return JSON.parse(readFileSync(path, 'utf8'));
}
