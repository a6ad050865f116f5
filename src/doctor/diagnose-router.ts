import type { RouterProps } from '../models/feed.ts';
import { STATUSES } from '../models/status.ts';
import type { RouterEvidence } from './evidence.ts';
import { type Finding, fine } from './finding.ts';
import { shorten } from './identify.ts';
import type { ReadListing } from './listing.ts';

/** The models that a router lists. */
export function diagnoseModels({ url }: RouterEvidence, listing: ReadListing): Finding {
  const { models, malformed, unknownStatuses, withStatus } = listing;
  const found = (mark: Finding['mark'], cause: Finding['cause'], says: string, remedy: string[]): Finding => {
    return { check: 'models', mark, cause, says, remedy };
  };
  const report = `Please report it, with the output of: curl ${url}/models`;
  const all = models.length + malformed.length;
  if (all === 0) {
    return found('warn', 'no_models', 'it has no models', [
      'Give it some: --models-dir DIR, --models-preset FILE, or a download into its cache.',
    ]);
  }
  if (models.length === 0 || withStatus === 0) {
    const what = models.length === 0 ? (malformed[0] ?? '') : 'none tells its status';
    return found('fail', 'unknown_shape', `its ${count(all, 'model')} cannot be read: ${shorten(what)}`, [
      'A build that nobody here knows yet: update this program.',
      report,
    ]);
  }
  if (malformed.length > 0) {
    const says = `${malformed.length} of ${count(all, 'entry', 'entries')} cannot be read: ${shorten(malformed[0] ?? '')}`;
    return found('warn', 'malformed_models', says, ['The others are followed.', report]);
  }
  if (unknownStatuses.length > 0) {
    const names = shorten(unknownStatuses.map((status) => `'${status}'`).join(', '));
    return found(
      'warn',
      'unknown_status',
      `${describeModels(listing)}; nobody here knows the status ${names}`,
      ['Such models are shown as `other` and left alone. Update this program.'],
    );
  }
  return fine('models', describeModels(listing));
}

/** How many models may be in memory. */
export function diagnoseLimit({ modelsMax, autoload }: RouterProps): Finding[] {
  const loading = autoload === false ? ', loaded only when told to' : '';
  if (modelsMax === undefined) return [];
  if (modelsMax > 0)
    return [fine('limit', `at most ${count(modelsMax, 'model')} in memory (--models-max)${loading}`)];
  const says = `any number of models in memory (--models-max 0)${loading}: none is ever evicted for another`;
  return [{ check: 'limit', mark: 'note', cause: 'unlimited', says, remedy: [] }];
}

/** Whether loaded models tell their own metrics. Never found out by loading one. */
export function diagnoseMetrics({ metrics }: RouterEvidence, listing: ReadListing): Finding {
  const found = (mark: Finding['mark'], cause: Finding['cause'], says: string, remedy: string[]): Finding => {
    return { check: 'metrics', mark, cause, says, remedy };
  };
  const again = 'Run this again when a model is loaded.';
  if (!metrics) {
    if (listing.metricsInArgs)
      return fine('metrics', 'models are started with --metrics (none is awake to be asked)');
    const says = 'not known whether models tell their own metrics: none is awake, and asking would load one';
    return found('note', 'metrics_untold', says, [again]);
  }
  const { reply } = metrics;
  const model = shorten(metrics.model);
  if (reply.kind === 'said' && reply.status === 200) return fine('metrics', `${model} tells its own metrics`);
  if (reply.kind === 'said' && reply.status === 501) {
    return found(
      'warn',
      'metrics_off',
      `${model} has no metrics of its own: llama-server runs without --metrics`,
      [
        'Restart llama-server with --metrics. Until then there are no llamacpp: metrics, all others are there.',
      ],
    );
  }
  if (reply.kind === 'said' && reply.status === 400) {
    return found('note', 'metrics_untold', `${model} was unloaded before it could be asked for metrics`, [
      again,
    ]);
  }
  const what = reply.kind === 'said' ? `answered ${reply.status} ${shorten(reply.body)}` : 'did not answer';
  return found('warn', 'metrics_unanswered', `asked for its metrics, ${model} ${what}`, [
    'A model that is being stopped does so, and on older builds one that reads a long prompt: try again.',
  ]);
}

/** Whether the router tells of changes by itself. */
export function diagnoseEvents({ events, timeoutSeconds }: RouterEvidence): Finding[] {
  if (!events) return [];
  const found = (cause: Finding['cause'], says: string, remedy: string[]): Finding[] => {
    return [{ check: 'events', mark: 'warn', cause, says, remedy }];
  };
  if (events.kind === 'silence') {
    return found(
      'event_stream_silent',
      `the event stream (/models/sse) ${events.why === 'no_answer' ? `does not begin within ${timeoutSeconds} s` : 'is cut off before it begins'}`,
      [
        'Until it does, models are listed every few seconds: what is shorter goes unseen.',
        'A proxy in between must not hold it back (nginx: proxy_buffering off).',
        'Without a proxy, llama-server is out of HTTP workers: start it with --threads-http 16.',
      ],
    );
  }
  if (events.status === 200 && events.contentType.includes('text/event-stream')) {
    return [fine('events', 'the event stream is open: changes are seen as they happen')];
  }
  if (events.status === 404 || events.status === 200) {
    return found('no_event_stream', 'this build has no event stream (/models/sse)', [
      'It works: models are listed every few seconds. What is shorter, such as a quick reload, goes unseen.',
      'Update llama.cpp to see every change.',
    ]);
  }
  return found('event_stream_error', `the event stream (/models/sse) answers ${events.status}`, [
    "Until it opens, models are listed every few seconds. Look at the router's log, and the proxy's.",
  ]);
}

function describeModels({ models }: ReadListing): string {
  const parts = STATUSES.map((status) => {
    const number = models.filter((model) => model.status === status).length;
    return number === 0 ? [] : [`${number} ${status}`];
  });
  return `${count(models.length, 'model')}: ${parts.flat().join(', ')}`;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
