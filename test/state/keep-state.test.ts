import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from '@jest/globals';
import * as z from 'zod';
import { keepState, type StatePart } from '../../src/state/keep-state.ts';
import type { StateFile } from '../../src/state/state-file.ts';
import { aLog } from '../support/a-log.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createSteppedClock, type SteppedClock, settled } from '../support/stepped-clock.ts';
import { until } from '../support/until.ts';

let folder: string;
let file: string;
let clock: SteppedClock;
let lines: string[];
beforeEach(() => {
  folder = scratchFolder();
  file = join(folder, 'state.json');
  clock = createSteppedClock();
  lines = [];
});

/** A part with one number. */
function aNumber(name: string, value = 0) {
  const state = { value };
  const part: StatePart<number> = {
    name,
    schema: z.number(),
    snapshot: () => state.value,
    restore: (saved) => {
      state.value = saved;
    },
  };
  return { state, part: part as StatePart };
}

function keep(parts: readonly StatePart[], path = file, disk?: StateFile) {
  const log = aLog((line) => lines.push(line), 'info');
  return keepState({ file: path, interval: 30 }, parts, clock, log, disk);
}

const saved = () => JSON.parse(readFileSync(file, 'utf8'));

it('restores every part that was saved, and keeps the others as they are', async () => {
  await keep([aNumber('a', 1).part, aNumber('b', 2).part]).stop();
  expect(saved()).toEqual({ version: 1, savedAt: clock.wall(), a: 1, b: 2 });

  const [a, added] = [aNumber('a'), aNumber('added', 7)];
  await keep([a.part, added.part]).stop();
  expect([a.state.value, added.state.value]).toEqual([1, 7]);
  expect(lines.join('')).toContain('level=info msg="state restored"');
});

it('waits for parts whose snapshot is a promise', async () => {
  const { part } = aNumber('a', 1);
  await keep([{ ...part, snapshot: async () => 5 }]).stop();
  expect(saved()).toMatchObject({ a: 5 });
});

it('saves at each interval, whether or not something changed', async () => {
  const a = aNumber('a', 1);
  const state = keep([a.part]);
  await clock.advance(30_000);
  await until('the first save', () => state.succeeded() === true, { everyMs: 2 });
  const firstAt = saved().savedAt;
  await clock.advance(30_000);
  await until('the second write', () => saved().savedAt > firstAt, { everyMs: 2 });
  await state.stop();
});

it('saves when it stops, also during a write, and leaves no timer', async () => {
  const a = aNumber('a', 1);
  const state = keep([a.part]);
  clock.jump(30_000);
  a.state.value = 2;
  await state.stop();
  expect(saved()).toMatchObject({ a: 2 });
  expect(readdirSync(folder)).toEqual(['state.json']);
  expect(clock.pending()).toBe(0);
});

it('starts without the state of a damaged file, and keeps that file', async () => {
  writeFileSync(file, '{"version":1,');
  const a = aNumber('a', 1);
  await keep([a.part]).stop();
  expect(a.state.value).toBe(1);
  expect(lines.join('')).toMatch(/level=warn msg="state not restored" error=.*renamed to/);
  expect(readdirSync(folder).sort()).toEqual(['state.json', expect.stringContaining('damaged')]);
});

it('says once that the state cannot be saved, until it can be saved again', async () => {
  mkdirSync(file);
  const state = keep([aNumber('a').part]);
  expect(state.succeeded()).toBeUndefined();
  for (let save = 0; save < 3; save += 1) await state.save();
  expect(state.succeeded()).toBe(false);
  const [unread, notSaved, ...others] = lines;
  expect(unread).toContain('msg="state not restored"');
  expect(notSaved).toMatch(/level=error msg="state not saved" error=.*\(EISDIR\)/);
  expect(others).toEqual([]);

  rmdirSync(file);
  await state.save();
  expect([state.succeeded(), lines.slice(2)]).toEqual([
    true,
    [expect.stringContaining('msg="state is saved again"')],
  ]);
  await state.stop();
});

it('says that a disk stalls, answers and ends nevertheless', async () => {
  const [stalls, resumes] = [[] as (() => void)[], { ok: true, value: undefined } as const];
  const state = keep([aNumber('a').part], file, {
    read: () => resumes,
    write: () => new Promise((resolve) => stalls.push(() => resolve(resumes))),
  });
  const saving = state.save();
  await clock.advance(10_000);
  await saving;
  expect([state.succeeded(), lines]).toEqual([
    false,
    [expect.stringContaining('has not accepted a write for 10 s')],
  ]);
  stalls[0]?.();
  await settled();
  expect([state.succeeded(), lines.length]).toEqual([true, 2]);

  const stopping = state.stop();
  await clock.advance(2000);
  await stopping;
});

it('does nothing without a file', async () => {
  const state = keep([aNumber('a').part], '');
  expect([clock.pending(), lines]).toEqual([0, []]);
  await state.stop();
  expect(readdirSync(folder)).toEqual([]);
});
