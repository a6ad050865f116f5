import * as z from 'zod';
import type { LabelSet } from '../lib/matcher.ts';
import { failed, ok, type Result } from '../lib/result.ts';

export type Alert = z.infer<typeof alertSchema>;

/** A notification of the webhook of Alertmanager or Grafana. */
export interface Notification {
  readonly alerts: readonly Alert[];
  /** Alerts of the group that are missing because of `max_alerts` or our own limit. */
  readonly truncated: number;
  /** Entries that are not alerts. */
  readonly malformed: number;
}

/** Alertmanager's version, and that of Grafana's contact point "Webhook", which has the same alerts with more fields. */
const VERSIONS = ['4', '1'] as const;

/** Deciding on more alerts would block the event loop for seconds. */
const MAX_ALERTS = 1000;

const texts: z.ZodType<LabelSet> = z.record(z.string(), z.string());

/** Strict about labels and annotations: a dropped value could be an option that limits the unload. */
const alertSchema = z
  .object({ status: z.string(), labels: texts, annotations: texts.nullish() })
  .transform(({ status, labels, annotations }) => ({
    firing: status === 'firing',
    labels,
    annotations: annotations ?? {},
  }));

const notificationSchema = z.object({
  version: z.enum(VERSIONS, { error: ({ input }) => wrongVersion(input) }),
  alerts: z.array(z.unknown(), { error: 'alerts is not a list' }),
  truncatedAlerts: z.number().int().nonnegative().catch(0),
});

/** Reads the body of a webhook request. Unknown fields are ignored. The fault is a sentence. */
export function parseNotification(body: unknown): Result<Notification, string> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return failed(`${NOT_ONE}: the body is not a JSON object`);
  }
  const parsed = notificationSchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return failed(`${NOT_ONE}: ${issue?.message}`);
  }
  const { truncatedAlerts, alerts: sent } = parsed.data;
  const entries = sent.slice(0, MAX_ALERTS);
  const alerts = entries.flatMap((entry) => alertSchema.safeParse(entry).data ?? []);
  return ok({
    alerts,
    truncated: truncatedAlerts + sent.length - entries.length,
    malformed: entries.length - alerts.length,
  });
}

const NOT_ONE = 'not a notification of Alertmanager or Grafana';

const EXPECTED = 'expected "4" of Alertmanager or "1" of Grafana, without a custom payload';

function wrongVersion(version: unknown): string {
  if (version === undefined) return `version is missing; ${EXPECTED}`;
  const shown = typeof version === 'string' ? JSON.stringify(version.slice(0, 20)) : `a ${typeof version}`;
  return `version is ${shown}; ${EXPECTED}`;
}
