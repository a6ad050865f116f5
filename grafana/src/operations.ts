import * as units from '@grafana/grafana-foundation-sdk/units';
import { CATALOG } from '../../src/metrics/catalog.ts';
import { GREY, meanings, REASONS } from './colors.ts';
import { dashboard } from './dashboard.ts';
import { graph, stat, timeline } from './panels.ts';
import { events, inRange, max, quantile, series, since, sum } from './promql.ts';
import { UIDS } from './sisters.ts';

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

/** Who asked for what had been unloaded. */
const CAUSES = { chat: 'blue', task: 'orange', api: 'green', unknown: GREY };

/** Those that want somebody to look stand out. */
const REFUSALS = {
  cooldown: 'blue',
  in_progress: 'yellow',
  reload_loop: 'purple',
  not_matched: 'orange',
  unauthorized: 'red',
};

export const operations = dashboard({
  uid: UIDS.operations,
  title: 'Operations',
  description: 'Who had models unloaded, what came of it, what was refused, and whether it lasted.',
  panels: [
    stat({
      title: 'Unload operations in the time that is shown',
      description: 'By what they came to, whoever asked. noop: nothing was loaded.',
      unit: units.NoUnit,
      width: 12,
      queries: [{ expr: inRange(CATALOG.unloadOperations, ['outcome']), legend: '{{outcome}}' }],
      colors: { ...OUTCOMES, noop: 'text' },
    }),
    stat({
      title: 'Last unload',
      description: 'Since an operation of this exporter last unloaded a model.',
      unit: units.DurationSeconds,
      width: 6,
      queries: [{ expr: `min(${since(series(CATALOG.lastUnload))})`, legend: 'ago' }],
    }),
    stat({
      title: 'Held',
      description: 'Routers whose memory is to be kept free now.',
      unit: units.NoUnit,
      width: 6,
      queries: [{ expr: sum([], series(CATALOG.holdActive)), legend: 'held' }],
      steps: [
        [null, 'text'],
        [1, 'orange'],
      ],
    }),
    graph({
      title: 'Operations by trigger',
      description:
        'Who asked: a person or a program (api, cli, page), an alert, or the idle policy. Dry runs too.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.unloadOperations, ['trigger']), legend: '{{trigger}}' }],
      colors: TRIGGERS,
    }),
    graph({
      title: 'Operations by outcome',
      description: 'What they came to. partial and failed: models that were to go are still there.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.unloadOperations, ['outcome']), legend: '{{outcome}}' }],
      colors: OUTCOMES,
    }),
    graph({
      title: 'Refusals by reason',
      description:
        'Of these, unauthorized and not_matched want somebody to look; the others are the exporter doing its duty: under way, waiting, or resting.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.unloadRefusals, ['reason']), legend: '{{reason}}' }],
      colors: REFUSALS,
    }),
    graph({
      title: 'Reloads after an unload',
      description:
        'Loads soon after an unload, by why the model had gone: unloading it freed nothing for long.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.modelReloads, ['unload_reason']), legend: '{{unload_reason}}' }],
      colors: REASONS,
    }),
    graph({
      title: 'Time to the reload',
      description:
        'From an unload to the completed reload, median and slowest tenth; of reloads within the window.',
      unit: units.DurationInHoursMinutesSeconds,
      width: 8,
      draw: 'points',
      queries: [
        { expr: quantile(0.5, CATALOG.reloadAfterUnload, []), legend: 'median' },
        { expr: quantile(0.9, CATALOG.reloadAfterUnload, []), legend: '90 %' },
      ],
    }),
    graph({
      title: 'Time of an unload',
      description:
        "From the order to its verified end; a model that is generating takes up to the router's stop timeout.",
      unit: units.Seconds,
      width: 8,
      draw: 'points',
      queries: [
        { expr: quantile(0.5, CATALOG.unloadDuration, []), legend: 'median' },
        { expr: quantile(0.95, CATALOG.unloadDuration, []), legend: '95 %' },
      ],
    }),
    timeline({
      title: 'Holds',
      description: 'When the memory of each router was to be kept free.',
      unit: units.NoUnit,
      width: 12,
      queries: [{ expr: max(['instance', 'router'], series(CATALOG.holdActive)), legend: '{{router}}' }],
      meanings: [meanings({ 0: { text: 'open', color: GREY }, 1: { text: 'held', color: 'orange' } })],
    }),
    timeline({
      title: 'Loops',
      description: 'When automatic unloads rested, because clients loaded again at once what was unloaded.',
      unit: units.NoUnit,
      width: 12,
      queries: [
        {
          expr: max(['instance', 'router', 'trigger'], series(CATALOG.unloadPaused)),
          legend: '{{router}} {{trigger}}',
        },
      ],
      meanings: [meanings({ 0: { text: 'at work', color: GREY }, 1: { text: 'paused', color: 'red' } })],
    }),
    graph({
      title: 'Reloads by cause',
      description:
        'Who asked for what had been unloaded, where Open WebUI or a proxy reports it: a chat, a task in the background such as a title, or else.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.modelReloads, ['cause']), legend: '{{cause}}' }],
      colors: CAUSES,
    }),
    graph({
      title: 'Webhook',
      description: 'What alerts of Alertmanager came to. refused: waiting after the last one, or a loop.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [
        {
          expr: events(CATALOG.unloadOperations, ['outcome'], { trigger: 'alertmanager' }),
          legend: '{{outcome}}',
        },
      ],
      colors: OUTCOMES,
    }),
    graph({
      title: 'Unloaded against a hold',
      description:
        'Models that were loaded in spite of an enforced hold and unloaded again: a client goes around the proxy.',
      unit: units.NoUnit,
      width: 8,
      draw: 'bars',
      queries: [{ expr: events(CATALOG.holdEnforced, ['router']), legend: '{{router}}' }],
    }),
  ],
});
