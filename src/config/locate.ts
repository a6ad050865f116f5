import type { z } from 'zod';
import type { Layer } from './layer.ts';
import type { Option } from './options.ts';
import { formatPlace } from './place.ts';
import { explain, type Problem } from './problem.ts';

/** What a finding of the schema says to the operator, at the last of the sources that speak of it. */
export function locate(
  issue: z.core.$ZodIssue,
  layers: readonly Layer[],
  nodes: readonly Option[],
): Problem[] {
  return explain(issue, nodes).map(({ place, message }) => {
    for (const layer of layers.toReversed()) {
      const location = layer.locate(place);
      if (location !== undefined) return { ...location, message };
    }
    return { source: '', key: formatPlace(place), message };
  });
}
