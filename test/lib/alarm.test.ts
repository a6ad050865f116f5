import { expect, it } from '@jest/globals';
import { createAlarm } from '../../src/lib/alarm.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** An alarm, and whether each of its sleeps is over. */
function anAlarm() {
  const clock = createSteppedClock();
  const alarm = createAlarm(clock);
  const sleep = (ms: number) => {
    const state = { over: false };
    void alarm.sleep(ms).then(() => {
      state.over = true;
    });
    return state;
  };
  return { clock, alarm, sleep };
}

it('a sleep ends when its time is up', async () => {
  const { clock, sleep } = anAlarm();
  const state = sleep(100);
  await clock.advance(99);
  expect(state.over).toBe(false);
  await clock.advance(1);
  expect(state.over).toBe(true);
});

it('a ring ends it at once, and leaves no timer', async () => {
  const { clock, alarm, sleep } = anAlarm();
  const state = sleep(100);
  alarm.ring();
  expect(clock.pending()).toBe(0);
  await clock.advance(0);
  expect(state.over).toBe(true);
});

it('a ring while nobody sleeps is kept for the next sleeper, and for one only', async () => {
  const { clock, alarm, sleep } = anAlarm();
  alarm.ring();
  alarm.ring();
  const first = sleep(100);
  const second = sleep(100);
  await clock.advance(99);
  expect([first.over, second.over]).toEqual([true, false]);
});

it('a sleep that is over leaves the next one its whole time', async () => {
  const { clock, alarm, sleep } = anAlarm();
  sleep(50);
  alarm.ring();
  await clock.advance(10);
  const state = sleep(100);
  await clock.advance(99);
  expect(state.over).toBe(false);
  await clock.advance(1);
  expect(state.over).toBe(true);
});
