import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { valueIn } from '../support/exporter.ts';
import { type ExporterProcess, startExporterProcess } from '../support/exporter-process.ts';
import { keptAlive } from '../support/kept-alive.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

/** Faults of the exporter's own process. What a killed one makes of a hold and a restore is in hold.test.ts. */

const UNLOAD_SECONDS = 1;

let router: TestRouter;
let folder: string;
let state: string;
const exporters: ExporterProcess[] = [];

beforeEach(async () => {
  folder = scratchFolder();
  state = join(folder, 'state.json');
  router = createTestRouter({ models: [{ id: 'tiny', loadSeconds: 0.01 }], exitSeconds: UNLOAD_SECONDS });
  await router.listen();
  await router.load('tiny');
});
afterEach(async () => {
  for (const exporter of exporters.splice(0)) await exporter.stop();
  await router.stop();
});

async function start(flags: Record<string, string> = {}): Promise<ExporterProcess> {
  const given = { 'state.file': state, 'state.interval': '1s', 'memory.nvidia-smi': '', ...flags };
  const exporter = await startExporterProcess([router], given);
  exporters.push(exporter);
  return exporter;
}

const scrape = async ({ url }: ExporterProcess) => (await fetch(`${url}/metrics`)).text();
const value = async (of: ExporterProcess, metric: string, labels: Record<string, string> = {}) =>
  valueIn(await scrape(of), `llama_router_${metric}`, labels);
const untilValue = (
  of: ExporterProcess,
  metric: string,
  wanted: number,
  labels: Record<string, string> = {},
) => until(`${metric} to be ${wanted}`, async () => (await value(of, metric, labels)) === wanted);

async function ask<T>({ url }: ExporterProcess, method: string, path: string, body?: object): Promise<T> {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${url}/api/v1/${path}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  });
  return (await answer.json()) as T;
}

const unloadAll = (of: ExporterProcess) => ask<{ outcome: string }>(of, 'POST', 'unload-all');
const saying = (of: ExporterProcess, message: string) =>
  of
    .log()
    .split('\n')
    .filter((line) => line.includes(`msg="${message}"`));
/** Unloads by reason, and how many of them there were. */
async function unloads(of: ExporterProcess): Promise<Record<string, number>> {
  const reasons = ['requested', 'external', 'evicted', 'expired', 'crashed', 'unknown'];
  const counted = reasons.map(
    async (reason) =>
      [reason, (await value(of, 'model_unloads_total', { model: 'tiny', reason })) ?? 0] as const,
  );
  return Object.fromEntries((await Promise.all(counted)).filter(([, count]) => count > 0));
}

it('SIGKILL in the middle of an operation: the next start follows what is under way, and unloads again', async () => {
  const audit = join(folder, 'audit.jsonl');
  const exporter = await start({ 'audit.file': audit });
  await untilValue(exporter, 'state_last_write_successful', 1);
  const lost = unloadAll(exporter).catch(() => 'lost');
  await until('the order', () => router.count('/models/unload') === 1);
  await exporter.kill();
  expect(await lost).toBe('lost');
  // Who ordered it is known, and that its end is not.
  const entries = readFileSync(audit, 'utf8').trimEnd().split('\n');
  expect(entries.map((line) => JSON.parse(line))).toMatchObject([{ kind: 'started', action: 'unload' }]);

  await exporter.start();
  expect(saying(exporter, 'state restored')).toHaveLength(1);
  expect(await value(exporter, 'up')).toBe(1);
  await untilValue(exporter, 'model_status', 1, { model: 'tiny', status: 'unloaded' });
  // What ended while no exporter ran is not counted; what it still saw ending is, and not as a crash.
  expect(['{}', '{"external":1}', '{"unknown":1}']).toContain(JSON.stringify(await unloads(exporter)));
  await router.load('tiny');
  expect(await unloadAll(exporter)).toMatchObject({ outcome: 'success' });
  expect(await unloads(exporter)).toMatchObject({ requested: 1 });
});

it('SIGKILL in the middle of a save: the state file is whole, with everything that was answered before', async () => {
  const exporter = await start();
  const hold = { ttl_seconds: 600, unload: 'none', restore: false };
  const { id } = await ask<{ id: string }>(exporter, 'POST', 'holds', hold);
  for (let round = 0; round < 4; round += 1) {
    let renewed = '';
    let isKilled = false;
    // Every renewal is saved before it is answered.
    const renewals = (async () => {
      for (let seconds = 700; !isKilled; seconds += 1) {
        const renewal = ask<{ until: string }>(exporter, 'PATCH', `holds/${id}`, { ttl_seconds: seconds });
        renewed = await renewal.then(({ until: end }) => end).catch(() => renewed);
      }
    })();
    await until('a renewal', () => renewed !== '');
    await sleep(Math.random() * 50);
    isKilled = true;
    await exporter.kill();
    await renewals;

    await exporter.start();
    const { holds } = await ask<{ holds: { id: string; until: string }[] }>(exporter, 'GET', 'holds');
    expect(holds).toEqual([expect.objectContaining({ id })]);
    // It may also have saved one that it had no time to answer.
    expect(Date.parse(holds[0]?.until ?? '')).toBeGreaterThanOrEqual(Date.parse(renewed) - 1);
  }
  expect(saying(exporter, 'state not restored')).toEqual([]);
  expect(readdirSync(folder).filter((name) => name.includes('damaged'))).toEqual([]);
});

it('two exporters at once: both see and do the same, and one state file has one writer', async () => {
  const both = [await start(), await start()] as const;
  const failing = async (of: ExporterProcess) => (await value(of, 'state_last_write_successful')) === 0;
  const loser = await until('one of them not to write', async () => {
    for (const exporter of both) if (await failing(exporter)) return exporter;
    return undefined;
  });
  const winner = both.find((each) => each !== loser) as ExporterProcess;
  expect(saying(loser, 'state not saved')[0]).toContain(`another process writes ${state}`);

  const outcomes = (await Promise.all(both.map(unloadAll))).map(({ outcome }) => outcome);
  // Nothing is left to do for one that comes later.
  expect(outcomes).toContain('success');
  expect(outcomes.filter((outcome) => outcome !== 'success' && outcome !== 'noop')).toEqual([]);
  for (const exporter of both) {
    expect(Object.values(await unloads(exporter))).toEqual([1]);
    expect(await value(exporter, 'up')).toBe(1);
  }
  await winner.end('SIGTERM');
  await untilValue(loser, 'state_last_write_successful', 1);
  for (const exporter of both) expect(saying(exporter, 'state not saved').length).toBeLessThan(4);
  expect(JSON.parse(readFileSync(state, 'utf8'))).toMatchObject({ version: 1 });
});

it('SIGTERM under load: every answer is whole, the state is saved, and it ends within seconds', async () => {
  const exporter = await start({ 'state.interval': '1h' });
  await until('an event stream', async () => (await fetch(`${exporter.url}/api/v1/events`)).ok);
  const counts = { whole: 0, cut: 0, refused: 0 };
  const scraping = async () => {
    while (counts.refused < 40) {
      const answer = await fetch(`${exporter.url}/metrics`).catch(() => undefined);
      if (answer === undefined) {
        counts.refused += 1;
        continue;
      }
      const text = await answer.text().catch(() => undefined);
      counts[text?.endsWith('\n') ? 'whole' : 'cut'] += 1;
    }
  };
  const load = Promise.all(Array.from({ length: 20 }, scraping));
  const operation = unloadAll(exporter).catch(() => undefined);
  await until('load', () => counts.whole > 100 && router.count('/models/unload') === 1);
  const startedAt = performance.now();
  await exporter.end('SIGTERM');
  expect(performance.now() - startedAt).toBeLessThan(15_000);
  await Promise.all([load, operation]);
  expect(counts.cut).toBe(0);
  expect(exporter.log()).not.toContain('level=error');
  expect(
    exporter
      .log()
      .trimEnd()
      .split('\n')
      .filter((line) => line.includes('msg="shutting down" signal=SIGTERM')),
  ).toHaveLength(1);
  expect(JSON.parse(readFileSync(state, 'utf8'))).toMatchObject({ version: 1 });
});

it('out of file descriptors: nothing is published that could not be read, and all is back with free ones', async () => {
  const exporter = await start({
    'memory.interval': '1s',
    'follow.listing-interval': '1s',
  });
  await untilValue(exporter, 'state_last_write_successful', 1);
  // As Prometheus: its connection stays open.
  const prometheus = keptAlive(Number(new URL(exporter.url).port));
  const read = async (metric: string, labels: Record<string, string> = {}) => {
    const { body } = await prometheus.send({ method: 'GET', path: '/metrics' });
    return valueIn(body.toString(), `llama_router_${metric}`, labels);
  };
  const untilRead = (metric: string, wanted: number | undefined, labels: Record<string, string> = {}) =>
    until(`${metric} to be ${wanted}`, async () => (await read(metric, labels)) === wanted);
  const limit = (descriptors: number) =>
    execFileSync('prlimit', [`--pid=${exporter.pid}`, `--nofile=${descriptors}:`]);
  await untilRead('collector_success', 1, { collector: 'processes' });
  const before = Number(
    /Max open files +(\d+)/.exec(readFileSync(`/proc/${exporter.pid}/limits`, 'utf8'))?.[1],
  );

  // Numbers from 3 on are taken or refused; what is open stays open.
  limit(3);
  await untilRead('collector_success', 0, { collector: 'processes' });
  await untilRead('state_last_write_successful', 0);
  const unload = await prometheus.send({ method: 'POST', path: '/api/v1/unload-all' });
  expect([200, 202]).toContain(unload.status);

  limit(before);
  await untilRead('collector_success', 1, { collector: 'processes' });
  await untilRead('state_last_write_successful', 1);
  await untilRead('up', 1);
  prometheus.close();
  expect(await unloadAll(exporter)).toMatchObject({ outcome: expect.stringMatching(/success|noop/) });
  // A descriptor may be free for a moment.
  const notSaved = saying(exporter, 'state not saved');
  expect(notSaved[0]).toMatch(/\(EMFILE\).*all file descriptors of the exporter are in use: raise its limit/);
  const failed = saying(exporter, 'memory source failed').filter((line) =>
    line.includes('collector=processes'),
  );
  expect(failed[0]).toMatch(/EMFILE.*raise its limit/);
  expect(notSaved.length + failed.length).toBeLessThan(8);
});
