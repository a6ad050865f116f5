import { killsAtOnceIn } from '../models/observations.ts';
import { excerpt, type KnownCause, plural } from './finding.ts';
import { isProxy } from './replies.ts';
import type { RouterFacts } from './router-facts.ts';

const EXEMPT = 'llama.cpp to b10524 or later (August 2026).';

/** What the build of the router means for the reading of its models' metrics. */
export const BUILD_CAUSES: readonly KnownCause<RouterFacts>[] = [
  {
    cause: 'fine',
    mark: 'ok',
    when: ({ buildClass }) => buildClass === 'reads_exempt',
    says: 'current: reading the metrics of a model does not keep it awake',
  },
  {
    cause: 'kept_awake',
    mark: 'warn',
    when: ({ idleTimers, readMode }) => idleTimers > 0 && readMode === 'on',
    says: (facts) => `${effectOf(facts)}, and engine.read: on reads ${withTimer(facts)} all the same`,
    remedy: [`They never fall asleep. Set engine.read: auto, or update ${EXEMPT}`],
  },
  {
    cause: 'idle_timers',
    mark: 'warn',
    when: ({ idleTimers, readMode }) => idleTimers > 0 && readMode === 'auto',
    says: (facts) =>
      `${effectOf(facts)}, so ${withTimer(facts)} ${facts.idleTimers === 1 ? 'is' : 'are'} not read`,
    remedy: ({ buildClass }) => [
      `Update ${EXEMPT} Until then it is unknown whether these models are busy, and they have no llamacpp: metrics.`,
      buildClass === 'unknown'
        ? 'If this build is as new, or if the models may stay awake: engine.read: on'
        : 'To read them all the same, although they then never fall asleep: engine.read: on',
    ],
  },
  {
    cause: 'old_build',
    mark: 'note',
    when: ({ props, idleTimers }) => props !== undefined && idleTimers === 0,
    says: (facts) => `${effectOf(facts)}; here no model has one (--sleep-idle-seconds)`,
    remedy: [`Before you use --sleep-idle-seconds: update ${EXEMPT}`],
  },
];

/** `2 models with --sleep-idle-seconds`. */
function withTimer({ idleTimers, listing }: RouterFacts): string {
  const isListed = listing?.models.some(({ sleepIdleSeconds = 0 }) => sleepIdleSeconds > 0);
  return `${plural(idleTimers, 'model')} ${isListed ? 'with --sleep-idle-seconds' : 'whose arguments are not listed'}`;
}

function effectOf({ buildClass, props }: RouterFacts): string {
  if (buildClass !== 'unknown') {
    return 'this build is older than b10524: reading the metrics of a model restarts its idle timer';
  }
  const name = props?.build ? `build ${props.build} has no known number` : 'the build is unknown';
  return `${name}: reading the metrics of a model may restart its idle timer`;
}

/** Whether the build ends models in order. */
export const UNLOAD_CAUSES: readonly KnownCause<RouterFacts>[] = [
  {
    cause: 'kills_at_once',
    mark: 'warn',
    when: ({ listing }) => listing !== undefined && killsAtOnceIn(listing) === true,
    says: 'this build kills models instead of stopping them, so that every unload looks like a crash',
    remedy: [
      'Update llama.cpp, or set stop-timeout = 10 for every model in the file of --models-preset: the default is 0 by mistake.',
      'Until then the reason of many unloads is unknown. Models that were never loaded are listed as failed (exit code 10).',
    ],
  },
];

const POLLED =
  'Until then, models are polled, every half second while something happens. Not all counters are exact then: docs/metrics.md.';

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
    when: ({ events }) =>
      events?.kind === 'said' && [403, 404, 405].includes(events.status) && isProxy(events.server),
    says: ({ events }) =>
      `a proxy${events?.kind === 'said' ? ` (${excerpt(events.server)})` : ''} in front of the router does not pass the event stream, or the build has none`,
    remedy: [`Let /models/sse pass, without buffering. ${POLLED}`],
  },
  {
    cause: 'no_event_stream',
    mark: 'warn',
    when: ({ events }) => events?.kind === 'said' && (events.status === 404 || events.status === 200),
    says: 'this build has no event stream (/models/sse)',
    remedy: [`Update llama.cpp to b9692 or later (June 2026). ${POLLED}`],
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
