import { isRunning, type Listing } from './feed.ts';
import type { RouterState } from './router-state.ts';

/**
 * What two listings tell about evictions between them. `likely`: as many models were unloaded as had to leave for those that
 * were started. `possible`: more were unloaded, so some left for another reason.
 */
export type Eviction = 'impossible' | 'possible' | 'likely';

/** Whether every place of `--models-max` is taken. */
export function isFull({ props, models }: Pick<RouterState, 'props' | 'models'>): boolean {
  const places = props.modelsMax ?? 0;
  if (places <= 0) return false;
  let taken = 0;
  for (const { lifecycle } of models.values()) if (isRunning(lifecycle.known)) taken += 1;
  return taken >= places;
}

/**
 * What a listing tells about evictions since the last one. They need as many models as the router has places, and one more
 * that starts: with fewer different models, nothing was evicted.
 */
export function evictionIn(router: RouterState, listing: Listing, newer: ReadonlySet<string>): Eviction {
  const { modelsMax } = router.props;
  if (modelsMax === 0) return 'impossible';
  const listed = new Map(listing.models.map((model) => [model.id, model]));
  const counts = { before: 0, all: 0, left: 0, cameAndLeft: 0 };
  for (const id of new Set([...router.models.keys(), ...listed.keys()])) {
    const before = router.models.get(id)?.lifecycle;
    const now = newer.has(id) ? before : listed.get(id);
    const [wasRunning, isNow] = [isRunning(before?.known), isRunning(now?.status)];
    const isOther = !!now?.instance && before?.instance !== undefined && now.instance !== before.instance;
    if (wasRunning) counts.before += 1;
    if (wasRunning || isNow || isOther) counts.all += 1;
    if (wasRunning && (isOther || !isNow)) counts.left += 1;
    if (isOther && !isNow) counts.cameAndLeft += 1;
  }
  const tooMany = counts.all - (modelsMax ?? counts.before); // It has that many places at least.
  if (tooMany <= 0) return 'impossible';
  // The first that starts needs the place of an earlier one, the others perhaps of one that came and left.
  const hadToLeave = Math.max(1, tooMany - counts.cameAndLeft);
  return modelsMax !== undefined && counts.left <= hadToLeave ? 'likely' : 'possible';
}

/**
 * Builds with a stop timeout of 0 by mistake have the intended 10 as exit code of models that were never started, which tells
 * them from others; undefined where no such model is listed.
 */
export function killsAtOnceIn({ models }: Listing): boolean | undefined {
  const neverStarted = models.find(({ instance, status }) => instance === 0 && status === 'unloaded');
  return neverStarted && (neverStarted.failed ? neverStarted.exitCode === 10 : false);
}
