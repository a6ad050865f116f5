import type { Clock } from './clock.ts';

/** A sleep that can be cut short, for one sleeper. A ring before the sleep makes it return at once. */
export interface Alarm {
  sleep(ms: number): Promise<void>;
  ring(): void;
}

export function createAlarm(clock: Clock): Alarm {
  let isRung = false;
  let wake: (() => void) | undefined;
  return {
    sleep(ms) {
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
    ring() {
      if (wake) wake();
      else isRung = true;
    },
  };
}
