// Prepares frames like Grafana: transformations, then units, colours and overrides.
import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  FieldConfigOptionsRegistry,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';

const transformers = new Map(Object.values(standardTransformers).map((one) => [one.id, one]));
standardTransformersRegistry.setInit(() =>
  [...transformers.values()].map((one) => ({ ...one, transformation: async () => one })),
);

/** Defaults of panel types. */
const COLORS = {
  timeseries: 'palette-classic',
  barchart: 'palette-classic',
  'state-timeline': 'continuous-GrYlRd',
  stat: 'thresholds',
  bargauge: 'thresholds',
  table: 'thresholds',
};
const PLAIN_THRESHOLDS = { mode: 'absolute', steps: [{ value: null, color: 'green' }] };

/** The prepared frames. Rejects if a transformation is unknown. */
export async function dressed(panel, answers, theme) {
  const { transformations = [], fieldConfig } = panel;
  for (const { id } of transformations) {
    if (!standardTransformersRegistry.getIfExists(id)) throw new Error(`no transformation '${id}'`);
  }
  const transformed = await firstValueFrom(
    transformDataFrame(transformations, answers, { interpolate: same }),
  );
  const { defaults, overrides } = structuredClone(fieldConfig);
  defaults.color ??= { mode: COLORS[panel.type] };
  defaults.thresholds ??= PLAIN_THRESHOLDS;
  for (const step of defaults.thresholds.steps) step.value ??= -Infinity;
  const frames = applyFieldOverrides({
    ...{
      data: transformed,
      fieldConfig: { defaults, overrides },
      replaceVariables: same,
      theme,
      timeZone: 'utc',
    },
    fieldConfigRegistry: registryOf(defaults, overrides),
  });
  cacheFieldDisplayNames(frames);
  return frames;
}

/** All options are used unchanged. */
function registryOf(defaults, overrides) {
  const { custom = {}, ...standard } = defaults;
  const ids = new Set([
    ...Object.keys(standard),
    ...Object.keys(custom).map((path) => `custom.${path}`),
    ...overrides.flatMap(({ properties }) => properties.map(({ id }) => id)),
  ]);
  return new FieldConfigOptionsRegistry(() =>
    [...ids].map((id) => ({
      ...{ id, name: id, path: id.replace(/^custom\./, ''), isCustom: id.startsWith('custom.') },
      ...{ process: same, shouldApply: () => true, override: () => null, editor: () => null },
    })),
  );
}

function same(value) {
  return value;
}
