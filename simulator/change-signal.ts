/** Wakes everything that waits for a change. Waiters check their condition again. */
export interface ChangeSignal {
  /** Resolves at the next `notify`. */
  changed(): Promise<void>;
  notify(): void;
}

export function createChangeSignal(): ChangeSignal {
  let waiting: (() => void)[] = [];
  return {
    changed: () => new Promise((resolve) => waiting.push(resolve)),
    notify() {
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    },
  };
}
