import { nearest } from '../lib/nearest.ts';
import type { Status } from '../models/feed.ts';
import { modelNamed, type RouterState } from '../models/router-state.ts';
import { whyNoLoad } from '../models/server-traits.ts';
import type { LoadRequest } from '../unload/request.ts';

type RouterStates = readonly Readonly<RouterState>[];

/** Which models are loaded on which router, and those of which that is not clear. */
export interface Places {
  /** The requested names by router, in their order. */
  byRouter: Map<string, string[]>;
  /** Names that no router has. */
  unknown: string[];
  /** Names that several routers have, although the request names none. */
  ambiguous: { model: string; routers: string[] }[];
}

/** Finds the routers that have the requested models. */
export function placesOf(
  routers: RouterStates,
  { models, ...request }: Pick<LoadRequest, 'routers' | 'models'>,
): Places {
  const places: Places = { byRouter: new Map(), unknown: [], ambiguous: [] };
  for (const model of new Set(models)) {
    const having = inScope(routers, request).filter((router) => modelNamed(router.models, model));
    const names = having.map(({ name }) => name);
    if (names.length === 0) places.unknown.push(model);
    else if (names.length > 1 && request.routers.length === 0)
      places.ambiguous.push({ model, routers: names });
    else for (const name of names) places.byRouter.set(name, [...(places.byRouter.get(name) ?? []), model]);
  }
  return places;
}

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

/** Why a request cannot be carried out as it is; undefined when it can. */
export function objectionToPlaces(
  routers: RouterStates,
  request: Pick<LoadRequest, 'routers' | 'models'>,
): { kind: 'ambiguous' | 'unknown' | 'unsupported'; detail: string } | undefined {
  const { byRouter, unknown, ambiguous } = placesOf(routers, request);
  const [several] = ambiguous;
  if (several) return { kind: 'ambiguous', detail: describeAmbiguous(several) };
  const loadless = routers.find(
    (router) => !router.traits.loads && byRouter.get(router.name)?.some((model) => needsOrder(router, model)),
  );
  if (loadless) return { kind: 'unsupported', detail: `${whyNoLoad(loadless)}.` };
  const [name] = unknown;
  const scope = inScope(routers, request);
  // A router that is down may have it: the report says that it is down.
  if (name === undefined || scope.some(({ up }) => !up)) return undefined;
  const where = scope.map((router) => router.name).join(', ') || 'any router, because there is none';
  return { kind: 'unknown', detail: `No model is named '${name}' on ${where}${hintOf(name, scope) || '.'}` };
}

const IN_MEMORY: readonly (Status | undefined)[] = ['loading', 'loaded', 'sleeping'];

/** Whether the model is not in memory, or on its way out of it. */
function needsOrder({ models }: Readonly<RouterState>, model: string): boolean {
  return !IN_MEMORY.includes(modelNamed(models, model)?.lifecycle.status);
}

export function describeAmbiguous({ model, routers }: Places['ambiguous'][number]): string {
  return `${model} is a model of ${routers.join(' and ')}: name the router.`;
}
