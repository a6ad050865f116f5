import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Calls `ask` until its answer is neither undefined nor false, and resolves to it. Rejects with `what` after
 * `timeoutMs`, which is for a fault and not for a measurement: a busy machine takes many times as long as an idle one.
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  { timeoutMs = 45_000, everyMs = 20 } = {},
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>;
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms for ${what}`);
    }
    await sleep(everyMs);
  }
}
