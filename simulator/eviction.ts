import type { SimulatedModel } from './simulated-model.ts';

/**
 * Who must go to make room: the one that was chosen longest ago. Nobody goes who loads, is on the way out
 * already, or is claimed by a request.
 */
export function victimAmong(
  running: readonly SimulatedModel[],
  claims: ReadonlyMap<SimulatedModel, number>,
): SimulatedModel | undefined {
  return running
    .filter((model) => model.status !== 'loading' && !model.stopping && !claims.has(model))
    .toSorted((a, b) => a.usedAt - b.usedAt)[0];
}
