import * as z from 'zod';
import * as f from './fields.ts';
import { parseMatchers, parseVisibleText } from './values.ts';
import { compareWhenBusy, WHEN_BUSY } from './when-busy.ts';

const target = z
  .strictObject({
    value: f.requiredText('Alerts whose `router_label` matches this glob.'),
    router: f.requiredText('Name of the router that they are about.'),
  })
  .readonly();

export const alerts = f.section('What alerts from Alertmanager may do: docs/alertmanager.md.', {
  matchers: f.option(
    'action="unload"',
    'list of matchers',
    "Matchers that an alert's labels must all satisfy.",
    parseMatchers,
    { kind: 'texts' },
  ),
  router_label: f.option(
    'router',
    'text',
    'Label with the name of the router that an alert is about.',
    parseVisibleText,
  ),
  // A value may match several elements, and a router may have several.
  routers: f.list(
    'alerts.routers',
    'Routers by the value of `router_label`, where it is not their name: a list of mappings with these keys.',
    target,
  ),
  without_router: f.choice(
    'all',
    ['all', 'ignore'],
    'Routers that an alert without that label is about: all of them, or none.',
  ),
  when_busy: f.choice('wait', WHEN_BUSY, 'What to do with a busy model when the alert does not say.'),
  when_busy_limit: f.choice(
    'wait',
    WHEN_BUSY,
    'Strongest value that an alert may set with `unload_when_busy`.',
  ),
  hold_limit: f.duration('0s', '0s', 'Longest hold that an alert may place; 0s: none.'),
  allowed_routers: f.texts('Globs of the routers that alerts may act on.', '*'),
});

export function checkAlerts({ when_busy, when_busy_limit }: z.output<typeof alerts>, wrong: f.Wrong): void {
  if (!WHEN_BUSY.includes(when_busy_limit) || compareWhenBusy(when_busy, when_busy_limit) <= 0) return;
  const message = `is ${when_busy}, stronger than when_busy_limit, ${when_busy_limit}: lower it or raise the limit`;
  wrong(['alerts', 'when_busy'], message);
}
