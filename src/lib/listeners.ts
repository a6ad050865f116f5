/** A list of listeners. An error in one of them is a programming error and is thrown to the caller of `notify`. */
export function createListeners<T>() {
  const listeners = new Set<(value: T) => void>();
  return {
    /** Adds a listener; the returned function removes it. */
    add(listener: (value: T) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    notify(value: T): void {
      for (const listener of listeners) listener(value);
    },
  };
}
