import type { RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import { ProblemError } from './problem.ts';

/** The router that a request names; throws a 404 that says which there are. */
export function namedRouter(store: Store, named: string): RouterState {
  const state = store.router(named);
  if (state) return state;
  throw new ProblemError({
    status: 404,
    title: 'Unknown router',
    detail: `No router is named ${named}; there is ${routerNames(store) || 'none'}.`,
  });
}

/** For a sentence: `gpu-box, attic`. */
export function routerNames(store: Store): string {
  return store
    .routers()
    .map(({ name }) => name)
    .join(', ');
}
