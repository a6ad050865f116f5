import type { Clock } from '../lib/clock.ts';
import { perObject } from '../lib/per-object.ts';
import { hasSameItems } from '../lib/same-items.ts';
import { CATALOG } from '../metrics/catalog.ts';
import { createSampleCache, type Family, MODELS_TOGETHER, type Samples } from '../metrics/exposition.ts';
import type { ModelState, RouterState } from '../models/router-state.ts';
import type { ServerTraits } from '../models/server-traits.ts';
import type { Store } from '../models/store.ts';
import { type Collector, flag, wallSeconds } from './scrape.ts';

/** The state of every model. The models of a router that is down are left out: their state is unknown. */
export function collectModels(store: Store, clock: Clock): Collector {
  const groupsOf = perObject((_: Readonly<RouterState>): ReturnType<typeof createGroup>[] => []);

  return () => {
    const collected: Samples[] = [];
    for (const router of store.routers()) {
      if (!router.up) continue;
      const states = [...router.models.values()];
      const groups = groupsOf(router);
      for (let at = 0; at * MODELS_TOGETHER < states.length; at += 1) {
        groups[at] ??= createGroup(router.name, clock);
        const own = states.slice(at * MODELS_TOGETHER, (at + 1) * MODELS_TOGETHER);
        collected.push(...(groups[at]?.(own, router.traits) ?? []));
      }
      groups.length = Math.ceil(states.length / MODELS_TOGETHER);
    }
    return collected;
  };
}

/** The samples of some models of a router: the same objects as long as these are the same. */
function createGroup(router: string, clock: Clock) {
  const samples = createSampleCache();
  let models: readonly ModelState[] = [];
  let collected: readonly Samples[] = [];

  return (current: readonly ModelState[], traits: ServerTraits): readonly Samples[] => {
    if (!hasSameItems(models, current)) collected = collect(current, traits);
    models = current;
    return collected;
  };

  function collect(current: readonly ModelState[], { statuses }: ServerTraits): readonly Samples[] {
    const models = current.map((state) => ({ state, labels: { router, model: state.id } }));
    const each = (family: Family<'router' | 'model'>, measure: (state: ModelState) => number | undefined) =>
      samples(family, models, ({ state }) => measure(state));
    return [
      samples(
        CATALOG.model_status,
        current.flatMap(({ id, lifecycle }) =>
          statuses.map((status) => ({
            labels: { router, model: id, status },
            isCurrent: status === lifecycle.status,
          })),
        ),
        ({ isCurrent }) => Number(isCurrent),
      ),
      samples(
        CATALOG.model_info,
        current.map(({ id, facts: { source = '', quantization = '' } }) => {
          return { labels: { router, model: id, source, quantization } };
        }),
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
}
