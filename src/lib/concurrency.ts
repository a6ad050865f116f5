export type Limit = ReturnType<typeof createLimit>;

/** Runs at most `atOnce` pieces of work at a time, in the order in which they were handed in. */
export function createLimit(atOnce: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  const limit = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running < atOnce) running += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
  return Object.assign(limit, {
    /** The number of pieces that run or wait. */ size: () => running + waiting.length,
  });
}

export type Mutex = <T>(work: () => Promise<T>) => Promise<T>;

/** Runs one piece of work at a time; each starts at the latest `maxWaitMs` after it was handed in. */
export function createMutex(maxWaitMs: number): Mutex {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, maxWaitMs);
    });
    const result = Promise.race([last, timeout]).then(() => {
      clearTimeout(timer);
      return work();
    });
    last = result.catch(() => {}); // The caller handles the failure; the next piece only waits for the end.
    return result;
  };
}

/** The results of `work` for every item, in their order; runs at most `atOnce` at a time. */
export function mapLimited<I, V>(
  atOnce: number,
  items: readonly I[],
  work: (item: I) => Promise<V>,
): Promise<V[]> {
  const limit = createLimit(atOnce);
  return Promise.all(items.map((item) => limit(() => work(item))));
}
