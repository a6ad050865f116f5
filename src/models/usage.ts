import { modelNamed } from './router-state.ts';
import type { Store } from './store.ts';

/** Why a client requests a model, as reported by the program that passes the request on. */
export const REPORTED_CAUSES = ['chat', 'task', 'api'] as const;

export type ReportedCause = (typeof REPORTED_CAUSES)[number];

/** Why the exporter itself loads a model: on a request, or again after a hold. */
const ORDERED_CAUSES = ['load', 'restore'] as const;

export type OrderedCause = (typeof ORDERED_CAUSES)[number];

/** `unknown`: no report. */
export const CAUSES = [...REPORTED_CAUSES, ...ORDERED_CAUSES, 'unknown'] as const;

export type Cause = (typeof CAUSES)[number];

/** Open WebUI's background tasks, as `metadata.task` names them (constants.py of 0.12); others count as `other`. */
export const TASKS = [
  'title_generation',
  'tags_generation',
  'follow_up_generation',
  'query_generation',
  'image_prompt_generation',
  'autocomplete_generation',
  'emoji_generation',
  'function_calling',
  'moa_response_generation',
] as const;

export type Task = (typeof TASKS)[number] | 'other';

/** A report that a request for a model is about to be sent. */
export interface UsageReport {
  /** Absent: all routers that have the model. */
  readonly router?: string | undefined;
  /** Id or alias. */
  readonly model: string;
  readonly cause: ReportedCause | OrderedCause;
}

/** A reported request, resolved to one model of one router. `at` is monotonic milliseconds. */
export interface ReportedRequest {
  readonly router: string;
  readonly model: string;
  readonly cause: Cause;
  readonly at: number;
}

/** Enough for a large team between a request and the end of its load. */
const MAX_REQUESTS = 1000;
/** A report precedes its request: Open WebUI may search the web in between. */
const LEAD_MS = 60_000;
/** A report may arrive before the event of an unload that happened earlier. */
const SLACK_MS = 1000;

/** Remembers the reported request; answers the number of models it matches. A report that matches none is dropped. */
export function reportUsage(store: Store, { router, model, cause }: UsageReport): number {
  const at = store.clock.now();
  const requests: ReportedRequest[] = [];
  for (const { name, models } of store.routers()) {
    const named = router === undefined || router === name ? modelNamed(models, model) : undefined;
    if (named) requests.push({ router: name, model: named.id, cause, at });
  }
  store.requests = [...store.requests, ...requests].slice(-MAX_REQUESTS);
  return requests.length;
}

/** A load answers all requests that were waiting for it: a later reload has another cause. */
export function forgetRequests(store: Store, loaded: Pick<ReportedRequest, 'router' | 'model'>): void {
  const { router, model } = loaded;
  store.requests = store.requests.filter((each) => each.router !== router || each.model !== model);
}

/**
 * Why a model was reloaded by a load that ended at `at`: the cause of the first request that was reported since the
 * unload. Later requests waited for the same load.
 */
export function causeOfReload(
  requests: readonly ReportedRequest[],
  { router, model, at }: Omit<ReportedRequest, 'cause'>,
  secondsSinceUnload: number,
  loadSeconds = 0,
): Cause {
  const since = Math.max(at - secondsSinceUnload * 1000 - SLACK_MS, at - loadSeconds * 1000 - LEAD_MS);
  const first = requests.find(
    (request) => request.at >= since && request.router === router && request.model === model,
  );
  return first?.cause ?? 'unknown';
}
