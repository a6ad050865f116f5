import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache, type Family, type Samples } from '../metrics/family.ts';
import type { ModelState } from '../models/router-state.ts';
import { STATUSES } from '../models/status.ts';
import type { Store } from '../models/store.ts';
import { type Collector, whenChanged } from './collector.ts';

/** The state of every model of the routers that can be reached: of the others nothing is known now. */
export function collectModels(store: Store, clock: Clock): Collector {
  const sheet = createSampleCache();
  return whenChanged(store.version, () => {
    const models = store
      .routers()
      .filter((router) => router.up)
      .flatMap(({ name, models }) => [...models.values()].map((model) => ({ router: name, model })));

    function each(
      family: Family<'router' | 'model'>,
      value: (model: ModelState) => number | undefined,
    ): Samples {
      return sheet(family, (row) => {
        for (const { router, model } of models) row({ router, model: model.id }, value(model));
      });
    }

    return [
      sheet(CATALOG.modelStatus, (row) => {
        for (const { router, model } of models) {
          for (const status of STATUSES) {
            row({ router, model: model.id, status }, model.lifecycle.status === status ? 1 : 0);
          }
        }
      }),
      sheet(CATALOG.modelInfo, (row) => {
        for (const { router, model } of models) {
          const { source = '', quantization = '' } = model.facts;
          row({ router, model: model.id, source, quantization }, 1);
        }
      }),
      each(CATALOG.modelParameters, ({ facts }) => facts.parameters),
      each(CATALOG.modelSize, ({ facts }) => facts.sizeBytes),
      each(CATALOG.modelContext, ({ facts }) => facts.contextTokens),
      each(CATALOG.modelLoadFailed, ({ lifecycle }) => Number(lifecycle.loadFailed)),
      each(CATALOG.modelLoadProgress, ({ lifecycle }) =>
        lifecycle.status === 'loading' ? lifecycle.loading?.progress : undefined,
      ),
      each(CATALOG.modelDownload, ({ download }) => download?.doneBytes),
      each(CATALOG.modelDownloadTotal, ({ download }) => download?.totalBytes),
      each(CATALOG.modelStatusSince, ({ lifecycle }) =>
        lifecycle.since === undefined ? undefined : clock.wall(lifecycle.since) / 1000,
      ),
      each(CATALOG.modelBusy, ({ activity }) => activity && Number(activity.busy)),
      each(CATALOG.modelLastActivity, ({ activity }) =>
        activity?.lastAt === undefined ? undefined : clock.wall(activity.lastAt) / 1000,
      ),
    ];
  });
}
