import type { Clock } from './clock.ts';

/** A sleep that can be cut short. A ring while nobody sleeps is kept for the next sleeper: none is lost. */
export interface Alarm {
  sleep(ms: number): Promise<void>;
  ring(): void;
}

export function createAlarm(clock: Clock): Alarm {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    sleep(ms) {
      if (rung) {
        rung = false;
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
      else rung = true;
    },
  };
}
