import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { createActivityLog } from '../../src/activity/activity-log.ts';
import { createOperationMetrics } from '../../src/activity/operation-metrics.ts';
import { aHold } from '../support/a-hold.ts';
import { aLog } from '../support/a-log.ts';
import { aRequest } from '../support/a-request.ts';
import { anOperation } from '../support/an-operation.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { createSteppedClock } from '../support/stepped-clock.ts';

it('logs and audits operations, joined requests, holds, reloads and refusals', async () => {
  const folder = scratchFolder();
  const auditFile = join(folder, 'audit.jsonl');
  const clock = createSteppedClock(Date.parse('2026-08-14T13:00:00Z'));
  const lines: string[] = [];
  const activityLog = createActivityLog(
    auditFile,
    createOperationMetrics(),
    clock,
    aLog((line) => lines.push(line.slice(line.indexOf('level='), -1)), 'info'),
  );
  const caller = { name: 'alice', address: '10.0.0.7' };
  const hold = aHold(clock.now() + 60_000);
  const operation = anOperation({
    caller,
    routers: [{ router: 'box', models: [], fault: { kind: 'unreachable', message: 'gone' } }],
    outcome: 'failed',
  });
  activityLog.started({ operation, request: aRequest() });
  activityLog.ended({ operation, request: aRequest() });
  activityLog.joined(
    { id: 'op-1', joined: true, report: () => operation, done: Promise.resolve(operation) },
    aRequest({ caller, trigger: 'cli' }),
  );
  activityLog.hold({ kind: 'placed', hold });
  activityLog.hold({ kind: 'released', hold, by: 'bob' });
  activityLog.hold({ kind: 'expired', hold: { ...hold, reason: '' } });
  activityLog.reloaded(caller, undefined);
  activityLog.reloaded(caller, 'routers[1].url: not a URL');
  activityLog.refused('not_matched', caller, 'POST /api/v1/alertmanager', 'no firing alert matches');
  await activityLog.stop();
  const entries = readFileSync(auditFile, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

  expect(lines).toEqual([
    expect.stringMatching(
      /^level=warn msg="unload finished" operation=\S+ trigger=alertmanager caller=alice/,
    ),
    `level=warn msg="unload failed" operation=${operation.id} router=box error=gone`,
    'level=info msg="request joined a running operation" operation=op-1 trigger=cli caller=alice',
    `level=info msg="hold placed" hold=${hold.id} router=gpu-box holder=alice until=2026-08-14T13:01:00.000Z reason=training unload=none restore=false enforce=false`,
    `level=info msg="hold released" hold=${hold.id} router=gpu-box holder=alice by=bob`,
    `level=info msg="hold expired" hold=${hold.id} router=gpu-box holder=alice`,
    'level=warn msg="request refused" reason=not_matched caller=alice address=10.0.0.7 request="POST /api/v1/alertmanager" detail="no firing alert matches"',
  ]);
  const until = 'until 2026-08-14T13:01:00.000Z';
  expect(entries).toMatchObject([
    { kind: 'started', operation: operation.id, action: 'unload', caller },
    { kind: 'operation', operation: operation.id, outcome: 'failed', caller },
    { kind: 'joined', operation: 'op-1', trigger: 'cli', caller, reason: 'memory is needed' },
    { kind: 'hold', caller: { name: 'alice' }, detail: `placed on gpu-box ${until} for alice: training` },
    { kind: 'hold', caller: { name: 'bob' }, detail: `released on gpu-box ${until} for alice: training` },
    { kind: 'hold', caller: { name: 'alice' }, detail: `expired on gpu-box ${until} for alice` },
    { kind: 'reload', caller, detail: 'configuration reloaded' },
    { kind: 'reload', caller, detail: 'routers[1].url: not a URL' },
    { kind: 'refusal', reason: 'not_matched', caller, request: 'POST /api/v1/alertmanager' },
  ]);
});
