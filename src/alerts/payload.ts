import { z } from 'zod';
import type { Labels } from '../lib/matcher.ts';
import { failed, ok, type Result } from '../lib/result.ts';

/** One alert of a notification, as far as it matters here. */
export interface Alert {
  readonly firing: boolean;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** What Alertmanager calls it: a hash of its labels, the same in every notification and on every peer. */
  readonly fingerprint?: string;
}

/** What Alertmanager tells with one POST. */
export interface Notification {
  /** The receiver in Alertmanager's configuration. */
  readonly receiver: string;
  /** The group of alerts; holds quotes and braces, so never a label or a file name. */
  readonly groupKey: string;
  readonly alerts: readonly Alert[];
  /** Alerts of the group that were left out, there because of `max_alerts` or here because they are too many. */
  readonly truncated: number;
  /** Alerts that were left out here, because they are none. */
  readonly malformed: number;
}

/** Deciding on many thousands would hold up everything else for seconds. */
const MOST_ALERTS = 1000;

const text = z.string().catch('');
const texts = z.record(z.string(), z.string());

/** A text that is no text may be a wish that is not understood: such an alert is malformed, not one without it. */
const alertSchema = z
  .object({
    status: z.string(),
    labels: texts,
    annotations: texts.nullish(),
    fingerprint: z.string().min(1).optional().catch(undefined),
  })
  .transform(
    ({ status, labels, annotations, fingerprint }): Alert => ({
      firing: status === 'firing',
      labels,
      annotations: annotations ?? {},
      ...(fingerprint !== undefined && { fingerprint }),
    }),
  );

const envelopeSchema = z.object({
  version: z.literal('4', { error: ({ input }) => wrongVersion(input) }),
  alerts: z.array(z.unknown(), { error: 'alerts is no list' }),
  receiver: text,
  groupKey: text,
  truncatedAlerts: z.number().int().nonnegative().catch(0),
});

/** A webhook's body, read loosely: it grows fields. A fault says what it is instead of a notification. */
export function parseNotification(body: unknown): Result<Notification, string> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return failed("not a notification of Alertmanager's webhook: the body is no JSON object");
  }
  const parsed = envelopeSchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return failed(`not a notification of Alertmanager's webhook: ${issue?.message ?? 'not understood'}`);
  }
  const { receiver, groupKey, truncatedAlerts, alerts: sent } = parsed.data;
  const entries = sent.slice(0, MOST_ALERTS);
  const truncated = truncatedAlerts + sent.length - entries.length;
  const alerts = entries.flatMap((entry) => alertSchema.safeParse(entry).data ?? []);
  return ok({ receiver, groupKey, alerts, truncated, malformed: entries.length - alerts.length });
}

function wrongVersion(version: unknown): string {
  if (version === undefined) return 'it has no version, which is "4"';
  const shown = typeof version === 'string' ? JSON.stringify(version.slice(0, 20)) : typeof version;
  return `its version is ${shown}, and only "4" is understood`;
}
