import { describe, expect, it } from '@jest/globals';
import { answerTo } from '../../src/alerts/answer.ts';
import type { AlertDecision, IgnoreReason } from '../../src/alerts/policy.ts';
import type { Operation, RouterResult } from '../../src/unload/report.ts';
import { anOperation } from '../support/an-operation.ts';

const UNLOAD: AlertDecision = { unloads: [], details: ['A: first', 'B: second'] };

const operation = (
  outcome: Operation['outcome'] = 'success',
  more: Partial<RouterResult> = {},
  id = 'op-1',
) => anOperation({ id, outcome, routers: [{ router: 'box', models: [], ...more }] });

const FAULT = { fault: { kind: 'unreachable', message: 'gone' } };
const FAILED = { models: [{ model: 'a', result: 'failed' as const, detail: 'the router says no' }] };

const answer = (...operations: Operation[]) => answerTo(UNLOAD, operations);

describe('the answer about operations', () => {
  it.each<[string, Operation, number, object]>([
    ['success', operation(), 200, { outcome: 'success' }],
    ['nothing to unload', operation('noop'), 200, { outcome: 'noop' }],
    ['dry run', operation('dry_run'), 200, { outcome: 'dry_run' }],
    ['still running', operation(null), 202, { outcome: null }],
    [
      'refused by a guard',
      operation('refused', { refused: { reason: 'cooldown', detail: '' } }),
      200,
      { outcome: 'refused', reason: 'cooldown' },
    ],
    [
      'a model that stays busy: a retry fixes nothing',
      operation('failed', { models: [{ model: 'a', result: 'timeout' }] }),
      200,
      { outcome: 'failed' },
    ],
  ])('%s', (_, each, status, body) => {
    const { status: actual, contentType, body: shown } = answer(each);
    expect([actual, contentType]).toEqual([status, 'application/json']);
    expect(shown).toEqual({ ...body, detail: 'A: first; B: second', operations: [each] });
  });

  it('has no detail without details', () =>
    expect(answerTo({ ...UNLOAD, details: [] }, [operation()]).body.detail).toBeUndefined());

  it('is 503 and a problem if a router failed', () =>
    expect(answer(operation('failed', FAULT))).toEqual({
      status: 503,
      contentType: 'application/problem+json',
      body: {
        type: 'about:blank',
        title: 'Unload incomplete',
        status: 503,
        detail: 'a router could not be used: see operation op-1; A: first; B: second',
        outcome: 'failed',
        operations: [operation('failed', FAULT)],
      },
    }));

  it('is 503 if a router did not unload a model, even while other operations run', () =>
    expect(answer(operation('partial', FAILED), operation(null, {}, 'op-2'))).toMatchObject({
      status: 503,
      body: {
        detail: 'a router did not unload a model: see operation op-1; A: first; B: second',
        outcome: null,
      },
    }));

  it('lists all failures', () =>
    expect(
      answer(operation('failed', FAULT), operation('failed', { ...FAULT, ...FAILED }, 'op-2')).body.detail,
    ).toBe(
      'a router could not be used: see operation op-1, op-2; a router did not unload a model: see operation op-2; A: first; B: second',
    ));

  it.each(['failed', 'partial', null] as const)(
    'is 503 during shutdown if an operation is %s: another process may finish it',
    (outcome) =>
      expect(answerTo(UNLOAD, [operation(), operation(outcome, {}, 'op-2')], true)).toMatchObject({
        status: 503,
        body: { detail: 'the exporter is shutting down: see operation op-2; A: first; B: second' },
      }),
  );

  it('is 200 during shutdown if all models are unloaded', () =>
    expect(answerTo(UNLOAD, [operation()], true)).toMatchObject({ status: 200 }));
});

it.each<[Operation['outcome'][], string]>([
  [['success', 'noop'], 'success'],
  [['success', 'refused'], 'success'],
  [['success', 'failed'], 'partial'],
  [['partial', 'noop'], 'partial'],
  [['failed', 'noop'], 'failed'],
  [['dry_run', 'refused'], 'dry_run'],
  [['noop', 'refused'], 'refused'],
  [['noop', 'noop'], 'noop'],
])('the outcome of %j is %s', (outcomes, outcome) => {
  const operations = outcomes.map((each, index) => operation(each, {}, `op-${index}`));
  expect(answer(...operations).body.outcome).toBe(outcome);
});

it.each<[IgnoreReason, string]>([
  ['resolved', 'noop'],
  ['not_matched', 'refused'],
])('the answer to ignored alerts, %s, is 200 and %s', (ignored, outcome) =>
  expect(answerTo({ unloads: [], ignored, details: ['why'] }, [])).toEqual({
    status: 200,
    contentType: 'application/json',
    body: { outcome, reason: ignored, detail: 'why', operations: [] },
  }),
);
