import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type Entry, entryOfOperation } from '../../src/activity/audit-entry.ts';
import { createAuditFile } from '../../src/activity/audit-file.ts';
import { aRequest } from '../support/a-request.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-'));
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

const anEntry = (detail: string): Entry => ({
  time: '2026-08-14T09:12:31.120Z',
  kind: 'reload',
  caller: { name: 'loopback' },
  detail,
});
const linesOf = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n');

it('is a line of JSON for each entry, in their order, in a folder that is made when it is missing', async () => {
  const path = join(folder, 'deep', 'audit.jsonl');
  const file = createAuditFile(path, () => {});
  expect(file.succeeded()).toBeUndefined();
  for (let index = 0; index < 50; index += 1) file.append(anEntry(`${index}\n"`));
  await file.stop();
  expect(linesOf(path).map((line) => JSON.parse(line))).toEqual(
    Array.from({ length: 50 }, (_, index) => anEntry(`${index}\n"`)),
  );
  expect(file.succeeded()).toBe(true);
});

it('goes on in a new file after it was renamed, and adds to one that is there', async () => {
  const path = join(folder, 'audit.jsonl');
  const file = createAuditFile(path, () => {});
  file.append(anEntry('before'));
  await file.stop();
  renameSync(path, `${path}.1`);
  file.append(anEntry('after'));
  await file.stop();
  const next = createAuditFile(path, () => {});
  next.append(anEntry('next process'));
  await next.stop();
  expect([linesOf(`${path}.1`).length, linesOf(path).length]).toEqual([1, 2]);
});

it('that cannot be written is told once, until it can be again', async () => {
  const told: string[] = [];
  const path = join(folder, 'audit.jsonl', 'not-a-folder');
  const inTheWay = createAuditFile(join(folder, 'audit.jsonl'), () => {});
  inTheWay.append(anEntry('a file where a folder should be'));
  await inTheWay.stop();
  const file = createAuditFile(path, (why) => told.push(why));
  for (const entry of ['a', 'b']) file.append(anEntry(entry));
  await file.stop();
  expect(file.succeeded()).toBe(false);
  expect(told).toEqual([expect.stringContaining('cannot be written (E')]);
  rmSync(join(folder, 'audit.jsonl'));
  file.append(anEntry('c'));
  await file.stop();
  expect(file.succeeded()).toBe(true);
});

it('says of an operation what was asked for and what came of it', () => {
  const request = aRequest({
    models: ['q*'],
    keep: ['qwen3'],
    idleForMs: 60_000,
    target: { freeBytes: 5 },
    holdMs: 90_000,
    routers: ['box'],
  });
  const operation = {
    id: 'f3b8',
    trigger: 'api' as const,
    caller: { name: 'alice', address: '127.0.0.1' },
    reason: 'memory is needed',
    when_busy: 'wait' as const,
    outcome: 'success' as const,
    dry_run: false,
    started_at: '2026-08-14T09:12:31.120Z',
    duration_seconds: 0.3,
    routers: [{ router: 'box', models: [{ model: 'qwen', result: 'unloaded' as const, seconds: 0.2 }] }],
    summary: { unloaded: 1, already_unloaded: 0, kept: 0, busy: 0, failed: 0 },
  };
  expect(entryOfOperation(operation, request, Date.parse('2026-08-14T09:12:32Z'))).toEqual({
    time: '2026-08-14T09:12:32.000Z',
    kind: 'operation',
    operation: 'f3b8',
    trigger: 'api',
    caller: { name: 'alice', address: '127.0.0.1' },
    reason: 'memory is needed',
    request: {
      routers: ['box'],
      models: ['q*'],
      keep: ['qwen3'],
      when_busy: 'wait',
      idle_for_seconds: 60,
      free_bytes: 5,
      hold_seconds: 90,
    },
    outcome: 'success',
    dry_run: false,
    duration_seconds: 0.3,
    routers: [{ router: 'box', models: [{ model: 'qwen', result: 'unloaded', seconds: 0.2 }] }],
  });
});
