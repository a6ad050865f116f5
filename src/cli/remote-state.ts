import type { ModelView, RouterView } from '../http/views.ts';
import type { ModelBelief, RouterBelief } from '../models/router-state.ts';

/** What another exporter believes, from what it shows. */
export function beliefsOf(routers: readonly RouterView[], models: readonly ModelView[]): RouterBelief[] {
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
      models: new Map(own.map((model) => [model.id, beliefOf(model)])),
    };
  });
}

function beliefOf(view: ModelView): ModelBelief {
  const since = timeOf(view.since);
  const lastAt = timeOf(view.last_activity);
  return {
    ...{ id: view.id, aliases: view.aliases, metAt: since ?? 0 },
    life: {
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
  return text === null ? undefined : Date.parse(text);
}
