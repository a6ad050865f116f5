import type { Clock } from './clock.ts';

/** A sleep that can be cut short, for one sleeper. */
export type Alarm = ReturnType<typeof createAlarm>;

export function createAlarm(clock: Clock) {
  let isRung = false;
  let wake: (() => void) | undefined;
  return {
    sleep(ms: number): Promise<void> {
      if (isRung) {
        isRung = false;
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        const cancel = clock.after(ms, () => wake?.());
        wake = () => {
          cancel();
          wake = undefined;
          resolve();
        };
      });
    },
    /** Ends the sleep. Without one, the next sleep returns at once. */
    ring(): void {
      if (wake) wake();
      else isRung = true;
    },
  };
}

/** Resolves after `ms`, or when the signal aborts. */
export async function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const alarm = createAlarm(clock);
  signal.addEventListener('abort', alarm.ring);
  await alarm.sleep(ms);
  signal.removeEventListener('abort', alarm.ring);
}
