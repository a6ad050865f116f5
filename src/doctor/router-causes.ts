import { STATUSES } from '../models/feed.ts';
import { excerpt, type KnownCause, plural } from './finding.ts';
import type { ExaminedListing } from './replies.ts';
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
    says: 'models run with --metrics (no model is loaded now)',
  },
  {
    cause: 'metrics_untold',
    mark: 'note',
    when: ({ props }) => props !== undefined,
    says: 'unknown whether models have metrics: none is loaded, and doctor loads none',
    remedy: ['Run doctor again when a model is loaded.'],
  },
];

const POLLED = 'Until then, models are polled every few seconds, and shorter changes are missed.';

/** Whether the event stream of the router works. */
export const EVENT_CAUSES: readonly KnownCause<RouterFacts>[] = [
  {
    cause: 'event_stream_silent',
    mark: 'warn',
    when: ({ events }) => events?.kind === 'silence',
    says: ({ events, timeoutSeconds }) =>
      events?.kind === 'silence' && events.why === 'no_answer'
        ? `the event stream (/models/sse) does not start within ${timeoutSeconds} s`
        : 'the event stream (/models/sse) ends before it starts',
    remedy: [
      'If a proxy is in front of the router, turn buffering off (nginx: proxy_buffering off).',
      `Otherwise llama-server has no free HTTP worker: start it with --threads-http 16. ${POLLED}`,
    ],
  },
  {
    cause: 'fine',
    mark: 'ok',
    when: ({ events }) =>
      events?.kind === 'said' && events.status === 200 && events.contentType.includes('text/event-stream'),
    says: 'the event stream is open: changes are seen at once',
  },
  {
    cause: 'event_stream_blocked',
    mark: 'warn',
    when: ({ events }) => events?.kind === 'said' && events.status === 404 && isProxy(events.server),
    says: ({ events }) =>
      `a proxy${events?.kind === 'said' ? ` (${excerpt(events.server)})` : ''} in front of the router does not pass the event stream, or the build has none`,
    remedy: [`Let /models/sse pass, without buffering. ${POLLED}`],
  },
  {
    cause: 'no_event_stream',
    mark: 'warn',
    when: ({ events }) => events?.kind === 'said' && (events.status === 404 || events.status === 200),
    says: 'this build has no event stream (/models/sse)',
    remedy: [`Update llama.cpp. ${POLLED}`],
  },
  {
    cause: 'event_stream_error',
    mark: 'warn',
    when: ({ events }) => events !== undefined,
    says: ({ events }) =>
      `the event stream (/models/sse) answers ${events?.kind === 'said' ? events.status : ''}`,
    remedy: [`See the log of the router, and of the proxy. ${POLLED}`],
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

/** The header `Server` is not that of llama-server. */
function isProxy(server: string): boolean {
  return server !== '' && server !== 'llama.cpp';
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

function metricsModel(metrics: RouterFacts['metrics']): string {
  return excerpt(metrics?.model ?? '');
}
