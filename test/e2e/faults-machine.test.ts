import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { valueIn } from '../support/exporter.ts';
import { type ExporterProcess, startExporterProcess } from '../support/exporter-process.ts';
import { playRecording } from '../support/fake-nvidia-smi.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createTestRouter, type TestRouter } from '../support/simulator/test-router.ts';
import { until } from '../support/until.ts';

/** Faults of the machine under an exporter that is a process of its own: its disks, its clock, its driver. */

let router: TestRouter;
let exporter: ExporterProcess;
let folder: string;

beforeEach(async () => {
  folder = scratchFolder();
  router = createTestRouter({ models: [{ id: 'tiny', loadSeconds: 0.01 }] });
  await router.listen();
  await router.load('tiny');
});
afterEach(async () => {
  await exporter?.stop();
  await router?.stop();
});

const scrape = async () => (await fetch(`${exporter.url}/metrics`)).text();
const value = async (metric: string, labels: Record<string, string> = {}) =>
  valueIn(await scrape(), `llama_router_${metric}`, labels);
const untilValue = (metric: string, wanted: number | undefined, labels: Record<string, string> = {}) =>
  until(`${metric} to be ${wanted}`, async () => (await value(metric, labels)) === wanted);
const unloadAll = async () =>
  (await (await fetch(`${exporter.url}/api/v1/unload-all`, { method: 'POST' })).json()) as {
    outcome: string;
  };
const saying = (log: string, message: string) =>
  log.split('\n').filter((line) => line.includes(`msg="${message}"`));

describe('files on a disk of their own', () => {
  const disk = () => `/proc/${exporter.pid}/root${folder}`;
  const mounted = (path: string) => join(disk(), path);
  const remount = (mode: 'ro' | 'rw') =>
    execFileSync('nsenter', [
      '--mount',
      `--target=${exporter.pid}`,
      'mount',
      '-o',
      `remount,${mode}`,
      folder,
    ]);
  const files = () => ({
    'state.file': join(folder, 'state.json'),
    'state.interval': '1s',
    'audit.file': join(folder, 'audit.jsonl'),
    'memory.nvidia-smi': '',
  });

  it('a disk that is full under state, audit and log: the exporter works, and writes again as soon as there is space', async () => {
    const before = `mount -t tmpfs -o size=256k tmpfs ${folder}\nexec 2>>${folder}/log`;
    exporter = await startExporterProcess([router], files(), {}, before);
    await untilValue('state_last_write_successful', 1);
    fill(mounted('fill'));
    expect(await unloadAll()).toMatchObject({ outcome: 'success' });
    await untilValue('state_last_write_successful', 0);
    await untilValue('audit_last_write_successful', 0);
    // The last page of the log has room for a few more lines.
    await until('a log line that is lost', async () => {
      await unloadAll();
      return (await value('log_last_write_successful')) === 0;
    });
    expect(await value('up')).toBe(1);

    rmSync(mounted('fill'));
    await untilValue('state_last_write_successful', 1);
    await unloadAll();
    await untilValue('audit_last_write_successful', 1);
    await untilValue('log_last_write_successful', 1);
    const log = readFileSync(mounted('log'), 'utf8');
    for (const message of ['state is saved again', 'audit file is written again', 'log is written again']) {
      expect(saying(log, message)).toHaveLength(1);
    }
    expect(saying(log, 'log is written again')[0]).toMatch(/ lost=[1-9]/);
    expect(saying(log, 'state not saved').length).toBeLessThanOrEqual(1);
    // Of lines that were cut, the next ones begin apart.
    expect(log.split('\n').filter((line) => line !== '' && !line.startsWith('ts=')).length).toBe(0);
    const last = () =>
      JSON.parse(readFileSync(mounted('audit.jsonl'), 'utf8').trimEnd().split('\n').at(-1) ?? '');
    await until('the end of the operation in the audit file', () => last().kind === 'operation');
    expect(last()).toMatchObject({ outcome: 'noop' });
    expect(JSON.parse(readFileSync(mounted('state.json'), 'utf8'))).toMatchObject({ version: 1 });
  });

  it('a disk that is read-only under state and audit: a metric, one log line each, and all again when it is writable', async () => {
    exporter = await startExporterProcess([router], files(), {}, `mount -t tmpfs tmpfs ${folder}`);
    await untilValue('state_last_write_successful', 1);
    remount('ro');
    for (let times = 0; times < 3; times += 1)
      expect(await unloadAll()).toMatchObject({ outcome: times === 0 ? 'success' : 'noop' });
    await untilValue('state_last_write_successful', 0);
    await untilValue('audit_last_write_successful', 0);
    remount('rw');
    await untilValue('state_last_write_successful', 1);
    await unloadAll();
    await untilValue('audit_last_write_successful', 1);
    const log = exporter.log();
    expect(saying(log, 'state not saved')).toEqual([
      expect.stringMatching(/\(EROFS\).*its disk is read-only: mount a writable one there/),
    ]);
    expect(saying(log, 'audit entries lost')).toEqual([expect.stringContaining('(EROFS)')]);
    expect(saying(log, 'audit file is written again')).toEqual([expect.stringContaining('lost=6')]);
  });
});

/** Fills the disk of a file with that file. */
function fill(file: string): void {
  const chunk = Buffer.alloc(4096, '.');
  try {
    for (;;) appendFileSync(file, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

it('a clock that is set forward and back a year: only timestamps change', async () => {
  const clock = join(folder, 'clock');
  const set = (ms: number) => writeFileSync(clock, String(ms));
  set(0);
  exporter = await startExporterProcess(
    [router],
    { 'follow.listing-interval': '1s', 'memory.nvidia-smi': '' },
    {
      CLOCK_FILE: clock,
      NODE_OPTIONS: `--import=${join(import.meta.dirname, '..', '..', 'bench', 'support', 'set-clock.mjs')}`,
    },
  );
  const hold = { ttl_seconds: 600, unload: 'none', restore: false };
  await fetch(`${exporter.url}/api/v1/holds`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(hold),
  });
  const yearMs = 365 * 86_400_000;
  for (const ahead of [yearMs, -yearMs, 0]) {
    set(ahead);
    // The next listing is by the new clock.
    const sinceListing = async () =>
      (Date.now() + ahead) / 1000 - ((await value('last_poll_timestamp_seconds')) ?? Number.NaN);
    await until('a listing by the new clock', async () => Math.abs(await sinceListing()) < 30);
    expect(await value('up')).toBe(1);
    expect(await value('hold_active')).toBe(1);
    const left = ((await value('hold_until_timestamp_seconds')) ?? Number.NaN) - (Date.now() + ahead) / 1000;
    expect(left).toBeGreaterThan(400);
    expect(left).toBeLessThan(601);
  }
  expect(await value('event_stream_reconnects_total')).toBe(0);
  expect(exporter.log()).not.toMatch(/level=(warn|error)|hold expired/);
});

it('a driver that never returns: no GPU memory, one log line, and all again with the first answer', async () => {
  const [smi, hangs] = [join(folder, 'nvidia-smi'), join(folder, 'hangs')];
  const works = playRecording('h200');
  writeFileSync(smi, `#!/bin/sh\n[ -e ${hangs} ] && exec sleep 1000\nexec ${works} "$@"\n`, { mode: 0o755 });
  const success = { collector: 'nvidia-smi' };
  exporter = await startExporterProcess([router], {
    'memory.nvidia-smi': smi,
    'memory.interval': '1s',
    'memory.timeout': '3s',
  });
  await untilValue('collector_success', 1, success);
  expect(await scrape()).toContain('llama_router_gpu_memory_used_bytes');
  writeFileSync(hangs, '');
  await untilValue('collector_success', 0, success);
  expect(await scrape()).not.toContain('llama_router_gpu_memory');
  // Another reading hangs too.
  expect(await value('up')).toBe(1);
  await until(
    'another reading',
    async () => ((await value('collector_duration_seconds', success)) ?? 0) >= 3,
  );
  rmSync(hangs);
  await untilValue('collector_success', 1, success);
  expect(await scrape()).toContain('llama_router_gpu_memory_used_bytes');
  const log = exporter.log();
  expect(saying(log, 'memory source failed')).toEqual([
    expect.stringContaining('collector=nvidia-smi error="no response within 3 s; nvidia-smi was killed'),
  ]);
  expect(saying(log, 'memory source recovered')).toHaveLength(1);
});
