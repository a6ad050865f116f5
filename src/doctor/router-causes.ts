import { STATUSES } from '../models/feed.ts';
import { excerpt, type KnownCause, plural } from './finding.ts';
import { type ExaminedListing, isProxy } from './replies.ts';
import type { RouterFacts } from './router-facts.ts';

interface ListingFacts extends RouterFacts {
  listing: ExaminedListing;
}

const reportIt = ({ curl }: RouterFacts) => `Please report it with the output of: ${curl('/models')}`;

/** The models that a router lists. */
export const MODEL_CAUSES: readonly KnownCause<ListingFacts>[] = [
  {
    cause: 'no_models',
    mark: 'warn',
    when: ({ listing: { models, malformed } }) => models.length + malformed.length === 0,
    says: 'the router has no models',
    remedy: ['Add some: --models-dir DIR, --models-preset FILE, or a download into its cache.'],
  },
  {
    cause: 'unknown_shape',
    when: ({ listing: { models, withStatus } }) => models.length === 0 || withStatus === 0,
    says: ({ listing: { models, malformed } }) => {
      const why = models.length === 0 ? (malformed[0] ?? '') : 'they have no status';
      return `the ${plural(models.length + malformed.length, 'model')} cannot be read: ${excerpt(why)}`;
    },
    remedy: (facts) => ['Update the exporter: the build of the router is unknown to it.', reportIt(facts)],
  },
  {
    cause: 'malformed_models',
    mark: 'warn',
    when: ({ listing }) => listing.malformed.length > 0,
    says: ({ listing: { models, malformed } }) => {
      const all = plural(models.length + malformed.length, 'entry', 'entries');
      return `${malformed.length} of ${all} cannot be read: ${excerpt(malformed[0] ?? '')}`;
    },
    remedy: (facts) => ['The other models are followed.', reportIt(facts)],
  },
  {
    cause: 'unknown_status',
    mark: 'warn',
    when: ({ listing }) => listing.unknownStatuses.length > 0,
    says: ({ listing }) => {
      const statuses = excerpt(listing.unknownStatuses.map((status) => `'${status}'`).join(', '));
      return `${counted(listing)}; unknown status ${statuses}`;
    },
    remedy: ['Such models are shown as `other` and never unloaded. Update the exporter.'],
  },
  {
    cause: 'missing_status',
    mark: 'warn',
    when: ({ listing: { models, withStatus } }) => withStatus < models.length,
    says: ({ listing }) =>
      `${counted(listing)}; ${listing.models.length - listing.withStatus} without a status`,
    remedy: (facts) => [
      'Such models are shown as `other`: it is unknown whether they are loaded, and they are never unloaded.',
      reportIt(facts),
    ],
  },
  {
    cause: 'preset_without_model',
    mark: 'warn',
    when: ({ listing }) => listing.withoutFile.length > 0,
    says: ({ listing }) =>
      `the preset of ${excerpt(listing.withoutFile.join(', '))} names no model: a load of it never ends`,
    remedy: [
      'Add model = PATH or hf-repo = NAME to its section in the file of --models-preset, or remove the section.',
      'To end a load that is stuck: llama-router-exporter unload --when-busy force MODEL',
    ],
  },
  {
    cause: 'failed_before',
    mark: 'note',
    when: ({ listing }) => failedIn(listing).length > 0,
    says: ({ listing }) => {
      return `${counted(listing)}; ended with an error before: ${excerpt(failedIn(listing).join(', '))}`;
    },
    remedy: [
      'Their last process failed to load, crashed, or was killed to unload it: the router marks all three alike. See its log.',
    ],
  },
  { cause: 'fine', mark: 'ok', when: () => true, says: ({ listing }) => counted(listing) },
];

/** How many models may be in memory. */
export const LIMIT_CAUSES: readonly KnownCause<RouterFacts>[] = [
  {
    cause: 'unlimited',
    mark: 'note',
    when: ({ props }) => props?.modelsMax === 0,
    says: ({ props }) =>
      `the number of models in memory is unlimited (--models-max 0)${onRequest(props)}: no model is ever evicted`,
  },
  {
    cause: 'fine',
    mark: 'ok',
    when: ({ props }) => props?.modelsMax !== undefined,
    says: ({ props }) =>
      `at most ${plural(props?.modelsMax ?? 0, 'model')} in memory (--models-max)${onRequest(props)}`,
  },
];

/** Whether loaded models have metrics of their own. No model is loaded to find out. */
export const METRICS_CAUSES: readonly KnownCause<RouterFacts>[] = [
  {
    cause: 'fine',
    mark: 'ok',
    when: ({ metrics }) => metrics?.reply?.status === 200,
    says: ({ metrics }) => `${metricsModel(metrics)} has metrics`,
  },
  {
    cause: 'activity_hidden',
    mark: 'warn',
    when: ({ metrics, listing }) =>
      listing?.slotsOff === true && (metrics ? hasNoMetrics(metrics) : !listing.metricsInArgs),
    says: 'it cannot be seen whether a model is busy: llama-server runs with --no-slots and without --metrics',
    remedy: [
      'Restart llama-server with --metrics, or without --no-slots. Until then models are unloaded only by force (--when-busy force).',
    ],
  },
  {
    cause: 'metrics_off',
    mark: 'warn',
    when: ({ metrics }) => metrics?.reply?.status === 501,
    says: ({ metrics }) => `${metricsModel(metrics)} has no metrics: llama-server runs without --metrics`,
    remedy: ['Restart llama-server with --metrics. Until then there are no llamacpp: metrics.'],
  },
  {
    cause: 'metrics_blocked',
    mark: 'warn',
    when: ({ metrics }) =>
      [403, 404, 405].includes(metrics?.reply?.status ?? 0) && isProxy(metrics?.reply?.server ?? ''),
    says: ({ metrics }) =>
      `a proxy (${excerpt(metrics?.reply?.server ?? '')}) in front of the router does not pass /metrics (${metrics?.reply?.status})`,
    remedy: ['Let /metrics and /slots pass: otherwise it is unknown whether models are busy.'],
  },
  {
    cause: 'no_metrics_path',
    mark: 'warn',
    when: ({ metrics }) => metrics?.reply?.status === 404,
    says: ({ metrics }) => `${metricsModel(metrics)} has no metrics: /metrics is not found (404)`,
    remedy: [
      'This build or server has none, or a proxy in front of it blocks them: let /metrics and /slots pass.',
      'Until then there are no llamacpp: metrics, and whether a model is busy is asked from /slots before it is unloaded.',
    ],
  },
  {
    cause: 'model_key',
    when: ({ metrics }) => metrics?.reply?.status === 401,
    says: ({ metrics }) => `the router accepts the API key, but ${metricsModel(metrics)} rejects it`,
    remedy: [
      'Configure a key of --api-key-file: next to --api-key, models of builds before September 2026 accept only those. Or update llama.cpp.',
      'Until then it is unknown whether models are busy, and they are unloaded only by force (--when-busy force).',
    ],
  },
  {
    cause: 'metrics_untold',
    mark: 'note',
    when: ({ metrics }) => metrics?.reply?.status === 400,
    says: ({ metrics }) => `${metricsModel(metrics)} was unloaded before its metrics could be read`,
    remedy: ['Run doctor again when a model is loaded.'],
  },
  {
    cause: 'metrics_unanswered',
    mark: 'warn',
    when: ({ metrics }) => metrics !== undefined,
    says: ({ metrics }) => {
      const { reply } = metrics ?? {};
      const answer = reply ? `answered ${reply.status} ${excerpt(reply.body)}` : 'did not answer';
      return `${metricsModel(metrics)} ${answer} when its metrics were read`;
    },
    remedy: ['Try again: the model may be stopping or, on older builds, processing a long prompt.'],
  },
  {
    cause: 'fine',
    mark: 'ok',
    when: ({ props, listing }) => props !== undefined && listing?.metricsInArgs === true,
    says: (facts) => `models run with --metrics (${whyUnread(facts)})`,
  },
  {
    cause: 'metrics_untold',
    mark: 'note',
    when: ({ props }) => props !== undefined,
    says: (facts) => `unknown whether models have metrics: ${whyUnread(facts)}`,
    remedy: (facts) => (hasLoaded(facts) ? [] : ['Run doctor again when a model is loaded.']),
  },
];

export const IDENTITY_CAUSES: readonly KnownCause<RouterFacts>[] = [
  {
    cause: 'same_server',
    mark: 'warn',
    when: ({ twin }) => twin !== undefined,
    says: ({ twin }) => `this is the same server as ${twin}: every model is counted twice`,
    remedy: ['Remove one of the two from the configuration.'],
  },
];

/** Models whose last process is marked as failed. Some builds mark models that never had one. */
function failedIn({ models }: ExaminedListing): string[] {
  return models.filter(({ failed, instance }) => failed && instance !== 0).map(({ id }) => id);
}

/** `3 models: 1 unloaded, 2 loaded`. */
function counted({ models }: ExaminedListing): string {
  const parts = STATUSES.flatMap((status) => {
    const count = models.filter((model) => model.status === status).length;
    return count === 0 ? [] : [`${count} ${status}`];
  });
  return `${plural(models.length, 'model')}: ${parts.join(', ')}`;
}

function onRequest(props: RouterFacts['props']): string {
  return props?.autoload === false ? ', loaded only on request' : '';
}

/** Why the metrics of no model were read. */
function whyUnread(facts: RouterFacts): string {
  return hasLoaded(facts)
    ? 'none is read now: that would restart its idle timer'
    : 'none is loaded, and doctor loads none';
}

function hasLoaded({ listing }: RouterFacts): boolean {
  return listing?.models.some(({ status }) => status === 'loaded') === true;
}

/** Not supported, or not there. */
function hasNoMetrics({ reply }: NonNullable<RouterFacts['metrics']>): boolean {
  return reply?.status === 501 || reply?.status === 404;
}

function metricsModel(metrics: RouterFacts['metrics']): string {
  return excerpt(metrics?.model ?? '');
}
