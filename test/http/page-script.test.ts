import { readFileSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';
import { expect, it } from '@jest/globals';
import { createSteppedClock } from '../support/stepped-clock.ts';

const SCRIPT = readFileSync(new URL('../../src/http/page/script.js', import.meta.url), 'utf8');

/** An element of which nothing is wanted. */
const element = () => ({
  dataset: { words: '{}' },
  classList: { add() {}, contains: () => false },
  addEventListener() {},
  querySelector: (_selector: string): unknown => element(),
});

/** The script in a browser with as much as refreshing an unchanged page needs, `lag` being its share of the longest lag. */
async function openPage(lag: number) {
  const clock = createSteppedClock();
  const streams: { onmessage?(): void }[] = [];
  let requests = 0;
  const context = createContext({
    document: {
      ...element(),
      documentElement: element(),
      getElementById: element,
      // Nothing is busy on the page.
      querySelector: () => ({ ...element(), querySelector: () => null }),
    },
    location: { pathname: '/', search: '' },
    sessionStorage: { getItem: () => null },
    AbortSignal,
    performance: { now: clock.now },
    Math: { random: () => lag, min: Math.min },
    setTimeout: (action: () => void, ms: number) => clock.after(ms, action),
    clearTimeout: (cancel?: () => void) => cancel?.(),
    EventSource: class {
      constructor() {
        streams.push(this);
      }
    },
    async fetch() {
      requests += 1;
      return { status: 304 };
    },
  });
  runInContext(SCRIPT, context);
  await clock.advance(0);
  return {
    clock,
    event: () => streams.at(-1)?.onmessage?.(),
    requests: () => requests,
  };
}

it('asks for the page once, soon after the last of several events', async () => {
  const { clock, event, requests } = await openPage(0);
  event();
  await clock.advance(200);
  event();
  await clock.advance(299);
  expect(requests()).toBe(1);
  await clock.advance(1);
  expect(requests()).toBe(2);
});

it('asks for the page once a second while events never pause', async () => {
  const { clock, event, requests } = await openPage(0);
  for (let tenth = 0; tenth < 100; tenth += 1) {
    event();
    await clock.advance(100);
  }
  expect(requests() - 1).toBeGreaterThanOrEqual(9);
  expect(requests() - 1).toBeLessThanOrEqual(10);
});

it('asks at another moment than other open pages', async () => {
  const pages = await Promise.all([0, 0.5, 0.99].map(openPage));
  for (const { event } of pages) event();
  const asked = [];
  for (let waited = 0; waited < 500; waited += 50) {
    for (const { clock } of pages) await clock.advance(50);
    asked.push(pages.filter(({ requests }) => requests() > 1).length);
  }
  expect(asked).toEqual([0, 0, 0, 0, 0, 1, 1, 2, 2, 3]);
});
