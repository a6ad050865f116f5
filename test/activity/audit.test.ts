import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type AuditEntry, createAuditFile, operationEntry } from '../../src/activity/audit.ts';
import { aLog } from '../support/a-log.ts';
import { aRequest } from '../support/a-request.ts';
import { anOperation } from '../support/an-operation.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createSteppedClock, settled } from '../support/stepped-clock.ts';

let folder: string;
let path: string;
let lines: string[];
beforeEach(() => {
  folder = scratchFolder();
  path = join(folder, 'logs', 'audit.jsonl');
  lines = [];
});

const clock = createSteppedClock();
const log = aLog((line) => lines.push(line));
const anEntry = (detail: string): AuditEntry => ({
  time: '2026-08-14T09:12:31.120Z',
  kind: 'reload',
  caller: { name: 'loopback' },
  detail,
});
const detailsIn = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).detail);
const written = (file = path) => detailsIn(readFileSync(file, 'utf8'));

describe('the audit file', () => {
  it('gets one JSON line per entry, in order, and its folder is created', async () => {
    const audit = createAuditFile(path, clock, log);
    expect(audit.succeeded()).toBeUndefined();
    const details = Array.from({ length: 50 }, (_, index) => `${index}\n"`);
    for (const detail of details) audit.append(anEntry(detail));
    await audit.stop();
    expect(written()).toEqual(details);
    expect([audit.succeeded(), lines]).toEqual([true, []]);
  });

  it('is created again after it was renamed, and appended to by the next process', async () => {
    const audit = createAuditFile(path, clock, log);
    audit.append(anEntry('before'));
    await audit.stop();
    renameSync(path, `${path}.1`);
    audit.append(anEntry('after'));
    await audit.stop();
    const next = createAuditFile(path, clock, log);
    next.append(anEntry('next process'));
    await next.stop();
    expect([written(`${path}.1`), written()]).toEqual([['before'], ['after', 'next process']]);
  });

  it('that cannot be written is logged once, until it can be written again', async () => {
    mkdirSync(path, { recursive: true }); // A folder where the file should be.
    const audit = createAuditFile(path, clock, log);
    for (const detail of ['a', 'b']) {
      audit.append(anEntry(detail));
      await audit.stop();
    }
    expect(audit.succeeded()).toBe(false);
    expect(lines).toEqual([expect.stringContaining(`cannot write ${path} (EISDIR)`)]);
    rmSync(path, { recursive: true });
    audit.append(anEntry('c'));
    await audit.stop();
    expect(audit.succeeded()).toBe(true);
    expect(lines.slice(1)).toEqual([expect.stringContaining('lost=2')]);
  });
});

describe('on a disk that accepts no write', () => {
  it('the queue is bounded: the newest entries are dropped, which is logged once', async () => {
    const batches: string[] = [];
    const accepts: (() => void)[] = [];
    const audit = createAuditFile(path, clock, log, (text) => {
      batches.push(text);
      return new Promise((resolve) => accepts.push(resolve));
    });
    for (let index = 0; index <= 1100; index += 1) audit.append(anEntry(`${index}`));
    expect(audit.succeeded()).toBe(false);
    expect(lines).toEqual([expect.stringContaining('level=error msg="audit entries lost"')]);
    accepts[0]?.();
    await settled();
    expect([audit.succeeded(), lines.length]).toEqual([true, 2]);
    expect(lines[1]).toContain('lost=100');
    expect(batches.flatMap(detailsIn)).toEqual(Array.from({ length: 1001 }, (_, index) => `${index}`));
  });

  it('the process still ends', async () => {
    const audit = createAuditFile(path, clock, log, () => new Promise(() => {}));
    audit.append(anEntry('never written'));
    let stopped = false;
    const stopping = audit.stop().then(() => {
      stopped = true;
    });
    await clock.advance(1999);
    expect(stopped).toBe(false);
    await clock.advance(1);
    await stopping;
  });
});

it('the entry of an operation holds the request and the result, in the fields of the API', () => {
  const request = aRequest({
    models: ['q*'],
    keep: ['qwen3'],
    idleForMs: 60_000,
    target: { freeBytes: 5 },
    holdMs: 90_000,
    routers: ['box'],
  });
  const { id, when_busy: _, started_at: __, summary: ___, ...result } = anOperation();
  const entry = operationEntry({ operation: anOperation(), request }, '2026-08-14T09:12:32.000Z');
  expect(JSON.parse(JSON.stringify(entry))).toEqual({
    ...result,
    time: '2026-08-14T09:12:32.000Z',
    kind: 'operation',
    operation: id,
    request: {
      routers: ['box'],
      models: ['q*'],
      keep: ['qwen3'],
      when_busy: 'wait',
      idle_for_seconds: 60,
      free_bytes: 5,
      hold_seconds: 90,
    },
  });
});
