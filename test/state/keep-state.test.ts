import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { onWall } from '../../src/hold/hold.ts';
import { createHolds, holdsPart } from '../../src/hold/holds.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { createLifecycleMetrics } from '../../src/metrics/lifecycle-metrics.ts';
import { countersPart } from '../../src/metrics/registry.ts';
import { render } from '../../src/metrics/render.ts';
import { createStore, lastUnloadsPart } from '../../src/models/store.ts';
import { keepState } from '../../src/state/keep-state.ts';
import { createGuards, guardsPart } from '../../src/unload/guards.ts';
import { createOperations, operationsPart } from '../../src/unload/operations.ts';
import { aListing, begun, ended, listed, turned } from '../support/a-model.ts';
import { aRequest } from '../support/a-request.ts';
import { anOperation } from '../support/an-operation.ts';
import { GUARD_RULES } from '../support/app-parts.ts';
import { driven } from '../support/driven-router.ts';
import { parseExposition } from '../support/exposition.ts';
import { createSteppedClock, type SteppedClock } from '../support/stepped-clock.ts';
import { until } from '../support/until.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keep-state-'));
  file = join(folder, 'state.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** One process' life: its belief, its counters, its file. */
function aProcess(clock: SteppedClock, path = file) {
  const lines: string[] = [];
  const log = createLogger({
    level: 'debug',
    format: 'logfmt',
    write: (line) => lines.push(line),
    now: clock.now,
  });
  const store = createStore(clock, { reloadWindowMs: 600_000 });
  const lifecycleMetrics = createLifecycleMetrics();
  store.onTransition(lifecycleMetrics.transition);
  const holds = createHolds(clock);
  const guards = createGuards(
    clock,
    () => GUARD_RULES,
    () => {},
  );
  const operations = createOperations({ controls: () => [], keep: () => [], guards, clock });
  const parts = [
    countersPart([lifecycleMetrics]),
    lastUnloadsPart(store),
    holdsPart(holds),
    operationsPart(operations),
    guardsPart(guards),
  ];
  const state = keepState({ file: path, interval: 30 }, parts, clock, log);
  const entry = () => driven(store, 'r');
  return {
    ...{ lines, store, state, entry, holds, operations, guards },
    value: async (name: string, labels: Record<string, string>) =>
      parseExposition(Buffer.concat(render(lifecycleMetrics.samples(), 'text')).toString()).value(
        `llama_router_${name}`,
        { router: 'r', model: 'm', ...labels },
      ),
    load() {
      entry().event(begun('m'));
      clock.jump(1000);
      entry().event(turned('m', 'loaded'));
    },
  };
}

const written = () =>
  until('the file', () => readdirSync(folder).includes('state.json'), { timeoutMs: 2000, everyMs: 2 });

describe('what was counted', () => {
  it('goes on in the next process, and so does the story of a model', async () => {
    const clock = createSteppedClock();
    const first = aProcess(clock);
    first.entry().listed(aListing(listed('m', 'unloaded')));
    first.load();
    first.entry().event(ended('m'));
    await first.state.stop();

    clock.jump(60_000);
    const second = aProcess(clock);
    expect(second.lines.join()).toContain('level=info msg="state restored"');
    second.entry().listed(aListing(listed('m', 'unloaded')));
    expect(await second.value('model_loads_total', {})).toBe(1);
    expect(await second.value('model_unloads_total', { reason: 'external' })).toBe(1);
    second.load();
    expect(await second.value('model_loads_total', {})).toBe(2);
    expect(
      await second.value('model_reloads_after_unload_total', { unload_reason: 'external', cause: 'unknown' }),
    ).toBe(1);
    await second.state.stop();
  });

  it('is saved at each interval while it runs', async () => {
    const clock = createSteppedClock();
    const { state, entry } = aProcess(clock);
    entry().listed(aListing(listed('m', 'loaded')));
    await clock.advance(30_000);
    await written();
    const saved = JSON.parse(readFileSync(file, 'utf8'));
    expect(saved.savedAt).toBe(clock.wall());
    await state.stop();
  });

  it('is saved at the end, and nothing is left that keeps the process alive', async () => {
    const clock = createSteppedClock();
    const { state, entry } = aProcess(clock);
    entry().listed(aListing(listed('m', 'loaded')));
    clock.jump(30_000); // The end comes while the file is being written.
    await state.stop();
    expect(readdirSync(folder)).toEqual(['state.json']);
    expect(clock.pending()).toBe(0);
  });

  it('is lost, and said to be, when the file is damaged; the file is kept', async () => {
    writeFileSync(file, '{"version":1,');
    const { state, lines, entry, value } = aProcess(createSteppedClock());
    expect(lines.join()).toMatch(/level=warn msg="state not restored" error=.*set aside as/);
    entry().listed(aListing(listed('m', 'loaded')));
    expect(await value('model_loads_total', {})).toBe(0);
    await state.stop();
    expect(readdirSync(folder).sort()).toEqual(['state.json', expect.stringContaining('damaged')]);
  });

  it('that cannot be saved is said, and stops nothing', async () => {
    mkdirSync(file);
    const clock = createSteppedClock();
    const { state, lines, entry } = aProcess(clock);
    entry().listed(aListing(listed('m', 'loaded')));
    await state.stop();
    expect(lines.filter((line) => line.includes('level=error'))).toEqual([
      expect.stringContaining('msg="state not saved" error='),
    ]);
  });
});

describe('a hold', () => {
  const aWish = (router: string, until: number) => ({
    ...{ router, until, reason: 'training', by: 'alice', enforce: true },
  });

  it('goes on in the next process, until its time', async () => {
    const clock = createSteppedClock();
    const first = aProcess(clock);
    const short = first.holds.place(aWish('attic', clock.now() + 60_000), true);
    const long = first.holds.place(aWish('gpu-box', clock.now() + 600_000), true);
    await first.state.stop();
    first.holds.stop();
    expect(JSON.parse(readFileSync(file, 'utf8')).holds).toEqual(
      [short, long].map((hold) => onWall(hold, clock)),
    );

    clock.jump(120_000);
    const second = aProcess(clock);
    expect(second.holds.all()).toEqual([long]);
    clock.jump(480_000);
    expect(second.holds.all()).toEqual([]);
    await second.state.stop();
    expect(clock.pending()).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8')).holds).toEqual([]);
  });

  it('is saved at the next interval, and so is its end', async () => {
    const clock = createSteppedClock();
    const { state, holds } = aProcess(clock);
    const hold = holds.place(aWish('gpu-box', clock.now() + 600_000), true);
    await clock.advance(30_000);
    await written();
    expect(JSON.parse(readFileSync(file, 'utf8')).holds).toEqual([onWall(hold, clock)]);
    await until('the next time to be set', () => clock.pending() === 2, { everyMs: 2 });
    holds.release('gpu-box', 'alice');
    await clock.advance(30_000);
    await until('the end to be saved', () => JSON.parse(readFileSync(file, 'utf8')).holds.length === 0, {
      everyMs: 2,
    });
    await state.stop();
  });

  it('is not missed in a file of before there were holds', async () => {
    writeFileSync(file, JSON.stringify({ version: 1, savedAt: 0, counters: [], lastUnloads: [] }));
    const { state, holds, lines } = aProcess(createSteppedClock());
    expect([holds.all(), lines.join()]).toEqual([[], expect.stringContaining('state restored')]);
    await state.stop();
  });
});

it('without a file nothing is read, written or waited for', async () => {
  const clock = createSteppedClock();
  const { state, lines, entry } = aProcess(clock, '');
  entry().listed(aListing(listed('m', 'loaded')));
  expect([clock.pending(), lines]).toEqual([0, []]);
  await state.stop();
  expect(readdirSync(folder)).toEqual([]);
});

describe('what was done', () => {
  it('is told by the next process, and its guards remember it', async () => {
    const clock = createSteppedClock();
    const first = aProcess(clock);
    const done = anOperation({ routers: [{ router: 'r', models: [{ model: 'm', result: 'unloaded' }] }] });
    first.operations.restore([done]);
    const alert = aRequest({ trigger: 'alertmanager' });
    first.guards.recordUnload('r', alert, ['m']);
    await first.state.stop();

    clock.jump(20_000);
    const second = aProcess(clock);
    expect(second.operations.list()).toEqual([done]);
    expect(second.guards.judge('r', alert)).toMatchObject({ reason: 'cooldown', retry_after_seconds: 40 });
    await second.state.stop();
  });
});
