import * as units from '@grafana/grafana-foundation-sdk/units';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { GREY, meanings, REASONS, rangeFrom } from './colors.ts';
import { dashboard } from './dashboard.ts';
import { graph, stat, timeline } from './panels.ts';
import { events, inRange, max, observations, quantile, series, since, sum } from './promql.ts';
import { loadsAroundHolds } from './queries.ts';
import { UIDS } from './uids.ts';

const OUTCOMES = {
  success: 'green',
  noop: GREY,
  dry_run: 'blue',
  refused: 'yellow',
  partial: 'orange',
  failed: 'red',
};

const TRIGGERS = {
  alertmanager: 'purple',
  api: 'blue',
  cli: 'orange',
  page: 'green',
  policy: 'yellow',
};

/** Why an unloaded model was loaded again. */
const CAUSES = {
  chat: 'blue',
  task: 'orange',
  api: 'green',
  load: 'light-blue',
  restore: 'light-green',
  unknown: GREY,
};

const RESTORE_RESULTS = { loaded: 'green', failed: 'red', skipped: GREY };

/** How many holds stand on a router. */
const HOLDS = [
  meanings({
    0: { text: 'open', color: GREY },
    1: { text: '1 hold', color: 'orange' },
    2: { text: '2 holds', color: 'dark-orange' },
  }),
  rangeFrom(3, { text: '3 or more holds', color: 'red' }),
];

/** Reasons that need attention have the strongest colours. */
const REFUSALS = {
  cooldown: 'blue',
  in_progress: 'yellow',
  reload_loop: 'purple',
  not_matched: 'orange',
  malformed: 'dark-orange',
  too_large: 'light-orange',
  media_type: 'dark-red',
  method: 'light-red',
  rate_limited: 'dark-yellow',
  unauthorized: 'red',
};

export const operations = dashboard({
  uid: UIDS.operations,
  title: 'Operations',
  description: 'Unloads and loads by trigger and outcome, refusals, reloads after unloads, and holds.',
  panels: [
    stat({
      title: 'Unload operations in the selected time range',
      description: 'By outcome, for all triggers. noop: nothing was loaded.',
      unit: units.NoUnit,
      width: 18,
      queries: [{ expr: inRange(CATALOG.unload_operations_total, ['outcome']), legend: '{{outcome}}' }],
      colors: { ...OUTCOMES, noop: 'text' },
    }),
    stat({
      title: 'Last unload',
      description: 'Time since an operation last unloaded a model.',
      unit: units.DurationSeconds,
      width: 6,
      queries: [{ expr: `min(${since(series(CATALOG.last_unload_timestamp_seconds))})`, legend: 'ago' }],
    }),
    graph({
      title: 'Unload operations by trigger',
      description:
        'Triggers: api, cli and page, a person or a program; alertmanager, an alert; policy, the idle policy. Includes dry runs.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.unload_operations_total, ['trigger']), legend: '{{trigger}}' }],
      colors: TRIGGERS,
    }),
    graph({
      title: 'Unload operations by outcome',
      description:
        'After partial and failed operations, models are still in memory that should have been unloaded.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.unload_operations_total, ['outcome']), legend: '{{outcome}}' }],
      colors: OUTCOMES,
    }),
    graph({
      title: 'Refusals by reason',
      description:
        'Reasons unauthorized and not_matched need attention. The others are normal: an unload is under way, in cooldown or paused.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.unload_refusals_total, ['reason']), legend: '{{reason}}' }],
      colors: REFUSALS,
    }),
    graph({
      title: 'Reloads after an unload',
      description:
        'Loads soon after an unload, by the reason of that unload. Unloading freed memory only for a short time.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [
        {
          expr: events(CATALOG.model_reloads_after_unload_total, ['unload_reason']),
          legend: '{{unload_reason}}',
        },
      ],
      colors: REASONS,
    }),
    graph({
      title: 'Time to reload',
      description: 'From an unload to the completed reload, for reloads within lifecycle.reload_window.',
      unit: units.DurationInHoursMinutesSeconds,
      width: 8,
      draw: 'points',
      queries: [
        { expr: quantile(0.5, CATALOG.model_reload_after_unload_seconds, []), legend: 'median' },
        { expr: quantile(0.9, CATALOG.model_reload_after_unload_seconds, []), legend: '90 %' },
      ],
    }),
    graph({
      title: 'Reloads by cause',
      description:
        'Use of the reloaded model, as reported by Open WebUI or a proxy: a chat, a background task such as a title, or an API client.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.model_reloads_after_unload_total, ['cause']), legend: '{{cause}}' }],
      colors: CAUSES,
    }),
    graph({
      title: 'Unload duration',
      description:
        'From the unload request until the model is gone. A generating model can take up to the stop timeout of its server.',
      unit: units.Seconds,
      width: 8,
      draw: 'points',
      queries: [
        { expr: quantile(0.5, CATALOG.unload_duration_seconds, []), legend: 'median' },
        { expr: quantile(0.95, CATALOG.unload_duration_seconds, []), legend: '95 %' },
      ],
    }),
    graph({
      title: 'Load operations',
      description:
        'Loads that were requested here, by outcome. Trigger restore: models that are loaded again after a hold. Includes dry runs.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.load_operations_total, ['outcome']), legend: '{{outcome}}' }],
      colors: OUTCOMES,
    }),
    graph({
      title: 'Alertmanager',
      description: 'Outcomes of requests from Alertmanager. refused: cooldown or loop protection.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [
        {
          expr: events(CATALOG.unload_operations_total, ['outcome'], { trigger: 'alertmanager' }),
          legend: '{{outcome}}',
        },
      ],
      colors: OUTCOMES,
    }),
    timeline({
      title: 'Loop protection',
      description: 'When automatic unloads were paused, because clients soon loaded the models again.',
      unit: units.NoUnit,
      width: 24,
      height: 6,
      queries: [
        {
          expr: max(['instance', 'router', 'trigger'], series(CATALOG.unload_paused)),
          legend: '{{router}} {{trigger}}',
        },
      ],
      meanings: [meanings({ 0: { text: 'active', color: GREY }, 1: { text: 'paused', color: 'red' } })],
    }),
    timeline({
      title: 'Holds',
      description:
        'When each router was held, and by how many holds. Their holders and reasons are on the page of the exporter, in GET /api/v1/holds, its log and its audit file.',
      unit: units.NoUnit,
      width: 12,
      queries: [{ expr: max(['instance', 'router'], series(CATALOG.holds)), legend: '{{router}}' }],
      meanings: HOLDS,
    }),
    stat({
      title: 'Held',
      description: 'Held routers, and holds on each router, now.',
      unit: units.NoUnit,
      width: 6,
      height: 8,
      queries: [
        { expr: sum([], series(CATALOG.hold_active)), legend: 'held routers' },
        { expr: `${sum(['router'], series(CATALOG.holds))} > 0`, legend: 'holds on {{router}}' },
      ],
      steps: [
        [null, 'text'],
        [1, 'orange'],
      ],
    }),
    stat({
      title: 'Free again in',
      description: 'Time until the last hold on each router expires. It may be renewed or released before.',
      unit: units.DurationSeconds,
      width: 6,
      height: 8,
      queries: [
        {
          expr: `${max(['router'], series(CATALOG.hold_until_timestamp_seconds))} - time()`,
          legend: '{{router}}',
        },
      ],
      empty: 'Nothing is held.',
    }),
    graph({
      title: 'Time to free memory for holds',
      description:
        'From the request for a hold until its memory is free, or until it is known that it cannot be freed.',
      unit: units.Seconds,
      width: 8,
      draw: 'points',
      queries: [
        { expr: quantile(0.5, CATALOG.hold_wait_seconds, ['state']), legend: '{{state}}, median' },
        { expr: quantile(0.95, CATALOG.hold_wait_seconds, ['state']), legend: '{{state}}, 95 %' },
      ],
      colors: { '/^active/': 'green', '/^failed/': 'red' },
    }),
    graph({
      title: 'Holds that freed memory',
      description:
        'active: the memory became free. failed: not enough could be freed; the log says why. Holds that unload and measure nothing are not counted.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: observations(CATALOG.hold_wait_seconds, ['state']), legend: '{{state}}' }],
      colors: { active: 'green', failed: 'red' },
    }),
    graph({
      title: 'Models loaded again after holds',
      description:
        'By result. skipped: a client or an operator has loaded or unloaded the model since, or there is no room for it.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.restored_models_total, ['result']), legend: '{{result}}' }],
      colors: RESTORE_RESULTS,
    }),
    graph({
      title: 'Loads after requested unloads',
      description:
        'Loads of models that this exporter had unloaded. during a hold: soon after the unload, by a client that bypasses the gate. otherwise: by clients soon after the unload, without a hold.',
      unit: units.NoUnit,
      width: 12,
      draw: 'bars',
      queries: loadsAroundHolds,
      colors: { 'during a hold': 'orange', 'restored after a hold': 'light-green', otherwise: 'blue' },
    }),
    graph({
      title: 'Unloads by enforced holds',
      description:
        'Models that were loaded during an enforced hold and unloaded again, because a client bypasses the proxy.',
      unit: units.NoUnit,
      width: 12,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.hold_enforced_unloads_total, ['router']), legend: '{{router}}' }],
    }),
  ],
});
