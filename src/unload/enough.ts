/** A model that might go, for as long as memory is wanted. */
export interface Candidate {
  id: string;
  /** What it holds; absent: nobody knows, and nothing is expected of it. */
  bytes?: number;
  /** How long it has served nothing; absent: it is busy, or nobody knows. */
  idleMs?: number;
  /** How long its last load took; absent: not seen. */
  loadSeconds?: number;
}

/**
 * As few models as are enough for `neededBytes`, in the order in which they should go: those that would be missed
 * least first. When all of them are not enough, all. Pure.
 */
export function chooseEnough(candidates: readonly Candidate[], neededBytes: number): string[] {
  const chosen: Candidate[] = [];
  let missing = neededBytes;
  for (const candidate of candidates.toSorted(leastMissedFirst)) {
    if (missing <= 0) break;
    chosen.push(candidate);
    missing -= candidate.bytes ?? 0;
  }
  // A large one at the end may have made some before it superfluous: those that would be missed most stay. But an
  // idle one is never spared for the sake of a busy one, which may not rest in time.
  const someAreBusy = chosen.some(isBusy);
  for (const candidate of chosen.toReversed()) {
    const bytes = candidate.bytes ?? 0;
    if (missing > 0 || bytes > -missing || isBusy(candidate) !== someAreBusy) continue;
    chosen.splice(chosen.indexOf(candidate), 1);
    missing += bytes;
  }
  return chosen.map(({ id }) => id);
}

/**
 * The longest idle first; idle for about as long (within a factor of two), the cheapest to load again first.
 * What is busy comes last, and before it what would free nothing that we know of.
 */
function leastMissedFirst(a: Candidate, b: Candidate): number {
  return (
    Number(isBusy(a)) - Number(isBusy(b)) ||
    Number(a.bytes === undefined) - Number(b.bytes === undefined) ||
    idleRank(b) - idleRank(a) ||
    (a.loadSeconds ?? Number.MAX_VALUE) - (b.loadSeconds ?? Number.MAX_VALUE) ||
    (a.id < b.id ? -1 : 1)
  );
}

/** Or nobody knows, which is to be treated alike. */
function isBusy({ idleMs }: Candidate): boolean {
  return idleMs === undefined;
}

function idleRank({ idleMs = 0 }: Candidate): number {
  return Math.floor(Math.log2(Math.max(1, idleMs)));
}
