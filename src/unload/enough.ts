/** A model that can be unloaded to free memory. */
export interface Candidate {
  id: string;
  /** The memory it holds; undefined when unknown, then it counts as none. */
  bytes?: number | undefined;
  /** Undefined when it is busy or its idle time is unknown. */
  idleMs?: number | undefined;
  /** How long its last load took; undefined when no load was observed. */
  loadSeconds?: number | undefined;
}

/**
 * The fewest models that free `neededBytes`, in the order in which to unload them: the least missed first. All
 * candidates when they do not free enough together.
 */
export function chooseEnough(candidates: readonly Candidate[], neededBytes: number): string[] {
  const chosen: Candidate[] = [];
  let missing = neededBytes;
  for (const candidate of candidates.toSorted(leastMissedFirst)) {
    if (missing <= 0) break;
    chosen.push(candidate);
    missing -= candidate.bytes ?? 0;
  }
  // A large model at the end may make earlier ones superfluous: spare the most missed of them. But never spare an
  // idle model at the expense of a busy one, which may not become idle in time.
  const someAreBusy = chosen.some(mayBeBusy);
  for (const candidate of chosen.toReversed()) {
    const bytes = candidate.bytes ?? 0;
    if (missing > 0 || bytes > -missing || mayBeBusy(candidate) !== someAreBusy) continue;
    chosen.splice(chosen.indexOf(candidate), 1);
    missing += bytes;
  }
  return chosen.map(({ id }) => id);
}

/**
 * The longest idle first. Of models that are idle for about as long (within a factor of two), the fastest to load
 * first. Models of unknown size come late, busy models last.
 */
function leastMissedFirst(a: Candidate, b: Candidate): number {
  return (
    Number(mayBeBusy(a)) - Number(mayBeBusy(b)) ||
    Number(a.bytes === undefined) - Number(b.bytes === undefined) ||
    idleRank(b) - idleRank(a) ||
    (a.loadSeconds ?? Number.MAX_VALUE) - (b.loadSeconds ?? Number.MAX_VALUE) ||
    (a.id < b.id ? -1 : 1)
  );
}

function mayBeBusy({ idleMs }: Candidate): boolean {
  return idleMs === undefined;
}

function idleRank({ idleMs = 0 }: Candidate): number {
  return Math.floor(Math.log2(Math.max(1, idleMs)));
}
