import { z } from 'zod';
import { choice, duration, matchers, options, requiredText, section, texts, visibleText } from './fields.ts';
import { compareWhenBusy, WHEN_BUSY, type WhenBusy } from './when-busy.ts';

const target = z
  .strictObject({
    value: requiredText('Alerts whose `router_label` matches this glob.'),
    router: requiredText('The router that they are about.'),
  })
  .readonly();

/** Several entries may match one value, and one router may have several. */
const targets = z.array(target).readonly().prefault([]).register(options, {
  kind: 'section',
  type: 'list',
  description: 'Which router a value of `router_label` is about, where it is not its name.',
  fallback: '',
});

export const alerts = section(
  'What an alert from Alertmanager may set off, and at most: docs/alertmanager.md.',
  {
    matchers: matchers(
      'action="unload"',
      'What the labels of an alert must match to be acted on; all of them.',
    ),
    router_label: visibleText('router', 'The label that tells which router an alert is about.'),
    routers: targets,
    without_router: choice(
      'all',
      ['all', 'ignore'],
      'What an alert without that label is about: all routers, or none.',
    ),
    when_busy: choice('wait', WHEN_BUSY, 'What happens to a busy model when the alert does not say.'),
    when_busy_limit: choice('wait', WHEN_BUSY, 'The most that an alert may ask for with `unload_when_busy`.'),
    hold_limit: duration('0s', '0s', 'The longest that an alert may have memory kept free; 0s: not at all.'),
    allowed_routers: texts('The routers that alerts may act on, as globs on their names.', '*'),
  },
);

export interface AlertBounds {
  readonly when_busy: WhenBusy;
  readonly when_busy_limit: WhenBusy;
}

/** Compared even when either is wrong, so that all is reported at once: what is no such word is not stronger. */
export function checkAlerts({ when_busy, when_busy_limit }: AlertBounds, ctx: z.core.$RefinementCtx): void {
  if (!WHEN_BUSY.includes(when_busy_limit)) return;
  if (compareWhenBusy(when_busy, when_busy_limit) <= 0) return;
  const message = `is ${when_busy}, more than when_busy_limit, ${when_busy_limit}: lower the one or raise the other`;
  ctx.addIssue({ code: 'custom', path: ['alerts', 'when_busy'], message });
}
