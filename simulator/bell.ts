/** Something to wait at for things to change: whoever wakes looks again whether it is what he waits for. */
export interface Bell {
  /** Resolves at the next ring. */
  heard(): Promise<void>;
  ring(): void;
}

export function createBell(): Bell {
  let waiting: (() => void)[] = [];
  return {
    heard: () => new Promise((resolve) => waiting.push(resolve)),
    ring() {
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    },
  };
}
