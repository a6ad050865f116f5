import { killsAtOnceIn } from '../models/eviction.ts';
import { type Listing, STATUSES } from '../models/feed.ts';
import { type CauseRow, excerpt, fail, fine, note, plural, warn } from './finding.ts';
import { proxyOf } from './replies.ts';
import { type RouterFacts, streamIn } from './router-facts.ts';

/** What the build of the router means: for the end of its models, and for the reading of their metrics. */
export function buildCauses({ buildClass, props, idleTimers, readMode, listing }: RouterFacts): CauseRow[] {
  const isListed = listing?.models.some(({ sleepIdleSeconds = 0 }) => sleepIdleSeconds > 0);
  const withTimer = `${plural(idleTimers, 'model')} ${isListed ? 'with --sleep-idle-seconds' : 'whose arguments are not listed'}`;
  const build =
    buildClass === 'unknown'
      ? `build ${props?.build ?? ''} has no known number, and may be older than b10524`
      : 'this build is older than b10524';
  const effect = `${build}: reading the metrics of a model restarts its idle timer`;
  return [
    warn(
      'kills_at_once',
      listing !== undefined && killsAtOnceIn(listing) === true,
      'this build kills models instead of stopping them, so that every unload looks like a crash',
      'Update llama.cpp, or set stop-timeout = 10 for every model in the file of --models-preset: the default is 0 by mistake.',
      'Until then the reason of many unloads is unknown. Models that were never loaded are listed as failed (exit code 10).',
    ),
    fine(buildClass === 'reads_exempt', 'current: reading the metrics of a model does not keep it awake'),
    warn(
      'idle_timers',
      idleTimers > 0 && readMode !== 'off',
      `${effect}, so ${withTimer} ${readMode === 'on' ? 'never fall asleep (engine.read: on)' : `${idleTimers === 1 ? 'is' : 'are'} not read`}`,
      'Update llama.cpp to b10524 or later (August 2026).',
      readMode === 'on'
        ? 'Or let them fall asleep, unread: engine.read: auto'
        : 'Until then it is unknown whether these models are busy, and they have no llamacpp: metrics. If they may stay awake, or if this build is as new: engine.read: on',
    ),
    note(
      'old_build',
      props !== undefined && idleTimers === 0,
      `${effect}; here no model has one (--sleep-idle-seconds)`,
    ),
  ];
}

export function eventCauses({ events, timeoutSeconds }: RouterFacts): CauseRow[] {
  const answer =
    events?.kind === 'said'
      ? `answers ${events.status}${proxyOf(events)}`
      : `does not start within ${timeoutSeconds} s, or ends before`;
  return [
    fine(streamIn(events) === 'connected', 'the event stream is open: changes are seen at once'),
    warn(
      'no_event_stream',
      events !== undefined,
      `there is no event stream: /models/sse ${answer}`,
      'Let a proxy in front of the router pass /models/sse, without buffering (nginx: proxy_buffering off).',
      'Update llama.cpp to b9692 or later (June 2026). If it is as new, give it more HTTP workers: --threads-http 16.',
      'Until then, models are polled, every half second while something happens. Not all counters are exact then: docs/metrics.md.',
    ),
  ];
}

export function modelCauses({ listing, curl }: RouterFacts): CauseRow[] {
  if (!listing) return [];
  const { models, malformed, faults, withStatus, withoutFile } = listing;
  const all = models.length + malformed.length;
  // Some builds mark models that never had a process.
  const failed = models.filter((model) => model.failed && model.instance !== 0).map(({ id }) => id);
  const unreadable = withStatus > 0 || all === 0 ? warn : fail;
  return [
    warn(
      'no_models',
      all === 0,
      'the router has no models',
      'Add some: --models-dir DIR, --models-preset FILE, or a download into its cache.',
    ),
    unreadable(
      'unreadable_models',
      faults.length > 0,
      `${counted(models)}; ${faults.length} of ${all} cannot be read: ${excerpt(faults[0] ?? '')}`,
      'Models without a known status are shown as `other` and never unloaded. Those without an ID are left out.',
      `Update the exporter. If that does not help, report it with the output of: ${curl('/models')}`,
    ),
    warn(
      'preset_without_model',
      withoutFile.length > 0,
      `the preset of ${excerpt(withoutFile.join(', '))} names no model: a load of it never ends`,
      'Add model = PATH or hf-repo = NAME to its section in the file of --models-preset, or remove the section.',
      'To end a load that is stuck: llama-router-exporter unload --when-busy force MODEL',
    ),
    note(
      'failed_before',
      failed.length > 0,
      `${counted(models)}; ended with an error before: ${excerpt(failed.join(', '))}`,
      'Their last process failed to load, crashed, or was killed to unload it: the router marks all three alike. See its log.',
    ),
    fine(true, counted(models)),
  ];
}

/** `3 models: 1 unloaded, 2 loaded`. */
export function counted(models: Listing['models']): string {
  const parts = STATUSES.flatMap((status) => {
    const count = models.filter((model) => model.status === status).length;
    return count === 0 ? [] : [`${count} ${status}`];
  });
  return `${plural(models.length, 'model')}: ${parts.join(', ')}`;
}

/** Whether loaded models have metrics of their own. No model is loaded to find out. */
export function metricsCauses({ metrics, listing, props }: RouterFacts): CauseRow[] {
  const { model = '', reply } = metrics ?? {};
  const { status = 0, body = '' } = reply ?? {};
  const isBlind = listing?.slotsOff && (metrics ? [404, 501].includes(status) : !listing.metricsInArgs);
  const hasLoaded = listing?.models.some((each) => each.status === 'loaded');
  return [
    fine(status === 200, `${model} has metrics`),
    warn(
      'activity_hidden',
      isBlind === true,
      'it cannot be seen whether a model is busy: llama-server runs with --no-slots and without --metrics',
      'Restart llama-server with --metrics, or without --no-slots. Until then models are unloaded only by force (--when-busy force).',
    ),
    warn(
      'no_metrics',
      [403, 404, 405, 501].includes(status),
      `${model} has no metrics: /metrics answers ${status}${proxyOf(reply)}`,
      status === 501
        ? 'Restart llama-server with --metrics.'
        : 'This build or server has none, or a proxy in front of it blocks them: let /metrics and /slots pass.',
      'Until then there are no llamacpp: metrics, and whether a model is busy is asked from /slots before it is unloaded.',
    ),
    fail(
      'model_key',
      status === 401,
      `the router accepts the API key, but ${model} rejects it`,
      'Configure a key of --api-key-file: next to --api-key, models of builds before September 2026 accept only those. Or update llama.cpp.',
      'Until then it is unknown whether models are busy, and they are unloaded only by force (--when-busy force).',
    ),
    warn(
      'metrics_unanswered',
      metrics !== undefined,
      `${model} ${reply ? `answered ${status} ${excerpt(body)}` : 'did not answer'} when its metrics were read`,
      'Try again: the model may be stopping or, on older builds, processing a long prompt.',
    ),
    fine(props !== undefined && listing?.metricsInArgs === true, 'models run with --metrics'),
    note(
      'metrics_unread',
      props !== undefined,
      `no metrics of models were read: ${hasLoaded ? 'that would restart an idle timer' : 'none is loaded, and doctor loads none'}`,
    ),
  ];
}
