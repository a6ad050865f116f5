import type { ModelView, RouterView } from '../http/views.ts';
import { systemClock } from '../lib/clock.ts';
import type { ModelState, RouterState } from '../models/router-state.ts';

/** The observed state of another exporter, from what its API shows. */
export function statesOf(routers: readonly RouterView[], models: readonly ModelView[]): RouterState[] {
  return routers.map((view) => {
    const own = models.filter(({ router }) => router === view.name);
    return {
      ...{ name: view.name, url: view.url, up: view.up ?? undefined },
      ...{ stream: view.event_stream, engineMetrics: view.engine_metrics, malformed: view.malformed_models },
      ...(view.fault && { fault: view.fault }),
      props: {
        ...(view.build !== null && { build: view.build }),
        ...(view.models_max !== null && { modelsMax: view.models_max }),
      },
      models: new Map(own.map((model) => [model.id, stateOf(model)])),
    };
  });
}

function stateOf(view: ModelView): ModelState {
  const since = timeOf(view.since);
  const lastAt = timeOf(view.last_activity);
  return {
    ...{ id: view.id, aliases: view.aliases, firstSeenAt: since ?? 0 },
    lifecycle: {
      ...{ status: view.status, loadFailed: view.load_failed, markedFailed: false },
      ...(since !== undefined && { since }),
      ...(view.load_progress !== null && { loading: { kind: 'load', progress: view.load_progress } }),
    },
    facts: {
      ...(view.size_bytes !== null && { sizeBytes: view.size_bytes }),
      ...(view.context_tokens !== null && { contextTokens: view.context_tokens }),
    },
    ...(view.busy !== null && {
      activity: { busy: view.busy, watchedAt: 0, work: 0, ...(lastAt !== undefined && { lastAt }) },
    }),
  };
}

function timeOf(text: string | null): number | undefined {
  return text === null ? undefined : systemClock.fromWall(Date.parse(text));
}
