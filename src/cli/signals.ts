/** Resolves with the name of the first signal that asks this process to end. */
export function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    const end = (signal: string) => {
      process.off('SIGTERM', end);
      process.off('SIGINT', end);
      resolve(signal);
    };
    process.on('SIGTERM', end);
    process.on('SIGINT', end);
  });
}
