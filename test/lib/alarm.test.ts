import { expect, it } from '@jest/globals';
import { createAlarm } from '../../src/lib/alarm.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

/** An alarm whose sleeps show whether they have ended. */
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

it('a sleep ends after its time', async () => {
  const { clock, sleep } = anAlarm();
  const state = sleep(100);
  await clock.advance(99);
  expect(state.over).toBe(false);
  await clock.advance(1);
  expect(state.over).toBe(true);
});

it('a ring ends a sleep at once, and leaves no timer', async () => {
  const { clock, alarm, sleep } = anAlarm();
  const state = sleep(100);
  alarm.ring();
  expect(clock.pending()).toBe(0);
  await clock.advance(0);
  expect(state.over).toBe(true);
});

it('a ring before a sleep ends one sleep at once', async () => {
  const { clock, alarm, sleep } = anAlarm();
  alarm.ring();
  alarm.ring();
  const first = sleep(100);
  const second = sleep(100);
  await clock.advance(99);
  expect([first.over, second.over]).toEqual([true, false]);
});

it('an interrupted sleep does not shorten the next', async () => {
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
