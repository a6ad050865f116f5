import { nearest } from '../lib/nearest.ts';
import type { Status } from '../models/feed.ts';
import { modelNamed, type RouterState } from '../models/router-state.ts';
import { whyNoLoad } from '../models/server-traits.ts';
import type { LoadRequest } from '../unload/request.ts';

type RouterStates = readonly Readonly<RouterState>[];

/** The routers that a request is about. */
export function inScope(routers: RouterStates, request: Pick<LoadRequest, 'routers'>): RouterStates {
  return routers.filter(({ name }) => request.routers.length === 0 || request.routers.includes(name));
}

/** `: did you mean 'qwen3-8b'?` where a model of these routers has a similar name. */
export function hintOf(name: string, routers: RouterStates): string {
  const known = routers.flatMap(({ models }) =>
    [...models.values()].flatMap(({ id, aliases }) => [id, ...aliases]),
  );
  const meant = nearest(name, known);
  return meant === undefined ? '' : `: did you mean '${meant}'?`;
}

/**
 * Why a request cannot be carried out as it is; undefined when it can. `ambiguous`: several routers have a model, although
 * the request names none.
 */
export function objectionToPlaces(
  routers: RouterStates,
  request: Pick<LoadRequest, 'routers' | 'models'>,
): { kind: 'ambiguous' | 'unknown' | 'unsupported'; detail: string } | undefined {
  const { models } = request;
  const scope = inScope(routers, request);
  const namesOf = (some: RouterStates) => some.map(({ name }) => name);
  for (const model of models) {
    const having = namesOf(scope.filter((router) => modelNamed(router.models, model)));
    if (having.length < 2 || request.routers.length > 0) continue;
    return { kind: 'ambiguous', detail: `${model} is a model of ${having.join(' and ')}: name the router.` };
  }
  const loadless = scope.find(
    (router) => !router.traits.loads && models.some((model) => needsOrder(router, model)),
  );
  if (loadless) return { kind: 'unsupported', detail: `${whyNoLoad(loadless)}.` };
  const [name] = unknownIn(scope, models);
  // A router that is down may have it: the report says that it is down.
  if (name === undefined || scope.some(({ up }) => !up)) return undefined;
  const where = namesOf(scope).join(', ') || 'any router, because there is none';
  return { kind: 'unknown', detail: `No model is named '${name}' on ${where}${hintOf(name, scope) || '.'}` };
}

/** The names that no model of these routers has. */
export function unknownIn(routers: RouterStates, names: readonly string[]): string[] {
  return names.filter((name) => !routers.some(({ models }) => modelNamed(models, name)));
}

const IN_MEMORY: readonly Status[] = ['loading', 'loaded', 'sleeping'];

/** Whether the router has the model, and it is not in memory, or on its way out of it. */
function needsOrder({ models }: Readonly<RouterState>, name: string): boolean {
  const model = modelNamed(models, name);
  return model !== undefined && !IN_MEMORY.includes(model.lifecycle.status);
}
