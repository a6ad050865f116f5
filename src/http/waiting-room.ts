import type { Response } from 'express';
import { numberInQuery } from './input.ts';
import type { AppParts } from './parts.ts';
import { ProblemError } from './problem.ts';

/** Requests that may wait at once; beyond it, they are answered as if their time were over. */
const MAX_WAITING = 1000;

/** In seconds. Proxies and clients give up on silent connections later than this. */
export const LONGEST_WAIT = 300;

export type WaitingRoom = ReturnType<typeof createWaitingRoom>;

/**
 * Lets requests wait until something becomes true, which is looked at when a hold or a model changes. A request costs
 * one timer while it waits, and nothing after its client has hung up.
 */
export function createWaitingRoom({
  store,
  holds,
  clock,
  closing,
}: Pick<AppParts, 'store' | 'holds' | 'clock' | 'closing'>) {
  const waiting = new Set<() => void>();
  const look = () => {
    for (const each of [...waiting]) each();
  };
  holds.onChange(look);
  store.onTransition(look);
  closing.addEventListener('abort', look);
  /** Resolves when `isDone`, after `seconds`, and when the client has hung up or the service stops. */
  return (seconds: number, response: Response, isDone: () => boolean): Promise<void> => {
    if (seconds <= 0 || isDone() || closing.aborted || waiting.size >= MAX_WAITING) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        waiting.delete(check);
        response.off('close', end);
        resolve();
      };
      const check = () => {
        if (isDone() || closing.aborted) end();
      };
      const cancel = clock.after(seconds * 1000, end);
      waiting.add(check);
      response.on('close', end);
    });
  };
}

/** The seconds of `?wait=`; throws a 400 for anything but a number from 0 to `LONGEST_WAIT`. */
export function waitInQuery(value: unknown): number {
  // The variable of a proxy may be empty.
  if (value === undefined || value === '') return 0;
  const seconds = numberInQuery.safeParse(value).data ?? Number.NaN;
  if (seconds >= 0 && seconds <= LONGEST_WAIT) return seconds;
  throw new ProblemError(400, 'Bad query', `wait must be a number of seconds from 0 to ${LONGEST_WAIT}.`);
}
