import type { BuildClass, StreamState } from '../../models/router-state.ts';

/** No older build has a router mode. */
const FIRST_ROUTER = 7000;

/** Builds between which a behaviour changed, as measured. */
const LAST_WITHOUT_STREAM = 9682;
const FIRST_WITH_EXEMPT_READS = 10_524;

/**
 * Classifies the build of a router by its `build_info` and its event stream. Builds that cannot be placed are `unknown`,
 * and only a build that is known to be new enough is `reads_exempt`.
 */
export function classifyBuild(build: string | undefined, stream: StreamState): BuildClass {
  const number = buildNumber(build);
  if (number !== undefined && number >= FIRST_WITH_EXEMPT_READS) return 'reads_exempt';
  if (stream === 'unsupported') return 'no_event_stream';
  if (number === undefined) return 'unknown';
  return stream !== 'connected' && number <= LAST_WITHOUT_STREAM ? 'no_event_stream' : 'reads_restart_timers';
}

/**
 * The number of `b11669-Debian`; undefined where it cannot be llama.cpp's own count of commits: a shallow clone counts from
 * 1 (`b1-7e4c0a9`), a vendor may number by date.
 */
function buildNumber(build: string | undefined): number | undefined {
  const [, digits] = /^b(\d{4,5})-\S+$/.exec(build ?? '') ?? [];
  const number = Number(digits);
  return number >= FIRST_ROUTER ? number : undefined;
}
