import { z } from 'zod';
import { choice, duration, list, matchers, requiredText, section, texts, visibleText } from './fields.ts';
import { compareWhenBusy, WHEN_BUSY, type WhenBusy } from './when-busy.ts';

const target = z
  .strictObject({
    value: requiredText('Alerts whose `router_label` matches this glob.'),
    router: requiredText('Name of the router that they are about.'),
  })
  .readonly();

export const alerts = section('What alerts from Alertmanager may do: docs/alertmanager.md.', {
  matchers: matchers('action="unload"', "Matchers that an alert's labels must all satisfy."),
  router_label: visibleText('router', 'Label with the name of the router that an alert is about.'),
  // A value may match several elements, and a router may have several.
  routers: list(
    'alerts.routers',
    'Routers by the value of `router_label`, where it is not their name: a list of mappings with these keys.',
    target,
  ),
  without_router: choice(
    'all',
    ['all', 'ignore'],
    'Routers that an alert without that label is about: all of them, or none.',
  ),
  when_busy: choice('wait', WHEN_BUSY, 'What to do with a busy model when the alert does not say.'),
  when_busy_limit: choice(
    'wait',
    WHEN_BUSY,
    'Strongest value that an alert may set with `unload_when_busy`.',
  ),
  hold_limit: duration('0s', '0s', 'Longest hold that an alert may place; 0s: none.'),
  allowed_routers: texts('Globs of the routers that alerts may act on.', '*'),
});

export interface AlertBounds {
  readonly when_busy: WhenBusy;
  readonly when_busy_limit: WhenBusy;
}

/** Runs also when a value is invalid, to report all problems at once. */
export function checkAlerts({ when_busy, when_busy_limit }: AlertBounds, ctx: z.core.$RefinementCtx): void {
  if (!WHEN_BUSY.includes(when_busy_limit) || compareWhenBusy(when_busy, when_busy_limit) <= 0) return;
  const message = `is ${when_busy}, stronger than when_busy_limit, ${when_busy_limit}: lower it or raise the limit`;
  ctx.addIssue({ code: 'custom', path: ['alerts', 'when_busy'], message });
}
