/** One lane a router: what is done on it is done one after the other, so that no two operations meet there. */
export interface Queues {
  /** How many pieces of work are under way or waiting there. */
  length(name: string): number;
  /** Starts when everything before it in its lane has ended. */
  run(name: string, work: () => Promise<void>): Promise<void>;
}

export function createQueues(): Queues {
  const queues = new Map<string, { last: Promise<void>; length: number }>();
  return {
    length: (name) => queues.get(name)?.length ?? 0,
    run(name, work) {
      const lane = queues.get(name) ?? { last: Promise.resolve(), length: 0 };
      queues.set(name, lane);
      lane.length += 1;
      const done = lane.last.then(work).finally(() => {
        lane.length -= 1;
        if (lane.length === 0) queues.delete(name);
      });
      lane.last = done.catch(() => {}); // Whoever handed it in hears of it; the next only waits for its end.
      return done;
    },
  };
}
