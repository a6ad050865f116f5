import type { Clock } from '../lib/clock.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache, type Family, type Samples } from '../metrics/family.ts';
import { STATUSES, type Status } from '../models/feed.ts';
import type { ModelState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import type { Collector } from './scrape.ts';

/** A model and the labels of its rows. */
interface LabelledModel {
  state: ModelState;
  model: { router: string; model: string };
  info: { router: string; model: string; source: string; quantization: string };
  statuses: { labels: { router: string; model: string; status: string }; status: Status }[];
}

/** The state of every model. The models of a router that is down are left out: their state is unknown. */
export function collectModels(store: Store, clock: Clock): Collector {
  const samples = createSampleCache();
  /** A change of a model makes a new ModelState: unchanged models pass the same labels to the sample cache. */
  const known = new WeakMap<ModelState, LabelledModel>();
  let collected: { models: readonly LabelledModel[]; all: readonly Samples[] } = { models: [], all: [] };

  return () => {
    const models: LabelledModel[] = [];
    for (const router of store.routers()) {
      if (!router.up) continue;
      for (const state of router.models.values()) models.push(labelled(router.name, state));
    }
    const before = collected.models;
    if (models.length === before.length && models.every((model, i) => model === before[i]))
      return collected.all;

    function each(
      family: Family<'router' | 'model'>,
      value: (state: ModelState) => number | undefined,
    ): Samples {
      return samples(family, (row) => {
        for (const { state, model } of models) row(model, value(state));
      });
    }

    const all = [
      samples(CATALOG.modelStatus, (row) => {
        for (const { state, statuses } of models) {
          for (const { labels, status } of statuses) row(labels, status === state.lifecycle.status ? 1 : 0);
        }
      }),
      samples(CATALOG.modelInfo, (row) => {
        for (const { info } of models) row(info, 1);
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
      each(CATALOG.modelStatusSince, ({ lifecycle }) => secondsOf(lifecycle.since)),
      each(CATALOG.modelBusy, ({ activity }) => activity && Number(activity.busy)),
      each(CATALOG.modelLastActivity, ({ activity }) => secondsOf(activity?.lastAt)),
    ];
    collected = { models, all };
    return all;
  };

  function labelled(router: string, state: ModelState): LabelledModel {
    const before = known.get(state);
    if (before) return before;
    const model = { router, model: state.id };
    const { source = '', quantization = '' } = state.facts;
    const made = {
      state,
      model,
      info: { ...model, source, quantization },
      statuses: STATUSES.map((status) => ({ labels: { ...model, status }, status })),
    };
    known.set(state, made);
    return made;
  }

  function secondsOf(at: number | undefined): number | undefined {
    return at === undefined ? undefined : clock.wall(at) / 1000;
  }
}
