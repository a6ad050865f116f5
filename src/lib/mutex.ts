/** Runs pieces of work one after the other, unless one keeps the next waiting for too long. */
export type Mutex = <T>(work: () => Promise<T>) => Promise<T>;

/** Each piece starts when the one before it has ended, at the latest `patienceMs` after it was handed in. */
export function createMutex(patienceMs: number): Mutex {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    const result = Promise.race([last, patience]).then(() => {
      clearTimeout(timer);
      return work();
    });
    last = result.catch(() => {}); // Whoever handed it in hears of its failure; the next only waits for its end.
    return result;
  };
}
