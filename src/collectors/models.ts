import type { Clock } from '../lib/clock.ts';
import { hasSameItems } from '../lib/same-items.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache, type Family, type Samples } from '../metrics/exposition.ts';
import type { ModelState } from '../models/router-state.ts';
import type { ServerTraits } from '../models/server-traits.ts';
import type { Store } from '../models/store.ts';
import { type Collector, flag, wallSeconds } from './scrape.ts';

/** A model and the labels of its rows. */
interface LabelledModel {
  state: ModelState;
  labels: { router: string; model: string };
  info: { labels: { router: string; model: string; source: string; quantization: string } };
  statuses: { labels: { router: string; model: string; status: string }; isCurrent: boolean }[];
}

/** The state of every model. The models of a router that is down are left out: their state is unknown. */
export function collectModels(store: Store, clock: Clock): Collector {
  const samples = createSampleCache();
  /** A change of a model makes a new ModelState: unchanged models pass the same labels to the sample cache. */
  const known = new WeakMap<ModelState, LabelledModel>();
  let models: readonly LabelledModel[] = [];
  let collected: readonly Samples[] = [];

  return () => {
    const current: LabelledModel[] = [];
    for (const { name, up, models, traits } of store.routers()) {
      if (!up) continue;
      for (const state of models.values()) current.push(known.get(state) ?? labelled(name, state, traits));
    }
    const isUnchanged = hasSameItems(models, current);
    models = current;
    if (!isUnchanged) collected = collect();
    return collected;
  };

  function collect(): readonly Samples[] {
    const each = (family: Family<'router' | 'model'>, measure: (state: ModelState) => number | undefined) =>
      samples(family, models, ({ state }) => measure(state));
    return [
      samples(
        CATALOG.model_status,
        models.flatMap(({ statuses }) => statuses),
        ({ isCurrent }) => Number(isCurrent),
      ),
      samples(
        CATALOG.model_info,
        models.map(({ info }) => info),
        () => 1,
      ),
      each(CATALOG.model_parameters, ({ facts }) => facts.parameters),
      each(CATALOG.model_size_bytes, ({ facts }) => facts.sizeBytes),
      each(CATALOG.model_context_tokens, ({ facts }) => facts.contextTokens),
      each(CATALOG.model_load_failed, ({ lifecycle }) => Number(lifecycle.loadFailed)),
      each(CATALOG.model_load_progress_ratio, ({ lifecycle }) =>
        lifecycle.status === 'loading' ? lifecycle.loading?.progress : undefined,
      ),
      each(CATALOG.model_download_bytes, ({ download }) => download?.doneBytes),
      each(CATALOG.model_download_total_bytes, ({ download }) => download?.totalBytes),
      each(CATALOG.model_status_since_timestamp_seconds, ({ lifecycle }) =>
        wallSeconds(clock, lifecycle.since),
      ),
      each(CATALOG.model_busy, ({ activity }) => flag(activity?.busy)),
      each(CATALOG.model_last_activity_timestamp_seconds, ({ activity }) =>
        wallSeconds(clock, activity?.lastAt),
      ),
    ];
  }

  function labelled(router: string, state: ModelState, { statuses }: ServerTraits): LabelledModel {
    const model = state.id;
    const { source = '', quantization = '' } = state.facts;
    const made = {
      state,
      // No spread: V8 would keep a hidden class for each object, of 300 bytes.
      labels: { router, model },
      info: { labels: { router, model, source, quantization } },
      statuses: statuses.map((status) => {
        return { labels: { router, model, status }, isCurrent: status === state.lifecycle.status };
      }),
    };
    known.set(state, made);
    return made;
  }
}
