/** Runs at most a fixed number of pieces of work at a time, in the order in which they were handed in. */
export interface Limit {
  <T>(work: () => Promise<T>): Promise<T>;
  /** The number of pieces that run or wait. */
  size(): number;
}

export function createLimit(atOnce: number): Limit {
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
  return Object.assign(limit, { size: () => running + waiting.length });
}

/** Runs one piece of work at a time; a slow piece blocks the next only for a limited time. */
export type Mutex = <T>(work: () => Promise<T>) => Promise<T>;

/** Each piece starts when the piece before it has ended, and at the latest `maxWaitMs` after it was handed in. */
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

/** Applies `work` to every item, at most `atOnce` at a time. The results are in the order of the items. */
export function mapLimited<Item, Value>(
  atOnce: number,
  items: readonly Item[],
  work: (item: Item) => Promise<Value>,
): Promise<Value[]> {
  const limit = createLimit(atOnce);
  return Promise.all(items.map((item) => limit(() => work(item))));
}
