import { describe, expect, it } from '@jest/globals';
import { answerTo } from '../../src/alerts/answer.ts';
import type { AlertDecision, IgnoreReason } from '../../src/alerts/policy.ts';
import type { Operation, RouterResult } from '../../src/unload/report.ts';
import { anOperation } from '../support/an-operation.ts';

const UNLOAD: AlertDecision = {
  kind: 'unload',
  requests: [],
  details: ['A: first', 'B: second'],
};

const operation = (
  outcome: Operation['outcome'] = 'success',
  more: Partial<RouterResult> = {},
  id = 'op-1',
) => anOperation({ id, outcome, routers: [{ router: 'box', models: [], ...more }] });

const FAULT = { fault: { kind: 'unreachable', message: 'gone' } };
const FAILED = { models: [{ model: 'a', result: 'failed' as const, detail: 'the router says no' }] };

const answer = (...operations: Operation[]) => answerTo(UNLOAD, operations);

describe('of operations', () => {
  it('without anything to tell: no detail', () =>
    expect(answerTo({ ...UNLOAD, details: [] }, [operation()]).body).not.toHaveProperty('detail'));

  it('done, all unloaded: 200 and the operation', () =>
    expect(answer(operation())).toEqual({
      status: 200,
      contentType: 'application/json',
      body: {
        outcome: 'success',
        detail: 'A: first; B: second',
        operations: [operation()],
      },
    }));

  it('under way: 202 and the operation so far', () =>
    expect(answer(operation(null))).toEqual({
      status: 202,
      contentType: 'application/json',
      body: {
        outcome: null,
        detail: 'A: first; B: second',
        operations: [operation(null)],
      },
    }));

  it.each(['cooldown', 'reload_loop'] as const)('refused (%s): 200, and why', (reason) =>
    expect(answer(operation('refused', { refused: { reason, detail: '' } }))).toEqual({
      status: 200,
      contentType: 'application/json',
      body: {
        outcome: 'refused',
        reason,
        detail: 'A: first; B: second',
        operations: [operation('refused', { refused: { reason, detail: '' } })],
      },
    }),
  );

  it.each(['noop', 'dry_run'] as const)('%s: 200', (outcome) =>
    expect(answer(operation(outcome))).toMatchObject({ status: 200, body: { outcome } }),
  );

  it('a router that cannot be asked: 503 and a problem', () =>
    expect(answer(operation('failed', FAULT))).toEqual({
      status: 503,
      contentType: 'application/problem+json',
      body: {
        type: 'about:blank',
        title: 'Not all was unloaded',
        status: 503,
        detail: 'a router could not be asked (operation op-1): see /api/v1/operations; A: first; B: second',
        outcome: 'failed',
        operations: [operation('failed', FAULT)],
      },
    }));

  it('an unload that a router refused: 503, also while others are under way', () =>
    expect(answer(operation('partial', FAILED), operation(null, {}, 'op-2'))).toMatchObject({
      status: 503,
      body: {
        detail:
          'a router did not unload a model (operation op-1): see /api/v1/operations; A: first; B: second',
        outcome: null,
      },
    }));

  it('several things at once: 503, and all of them', () =>
    expect(
      answer(operation('failed', FAULT), operation('failed', { ...FAULT, ...FAILED }, 'op-2')).body.detail,
    ).toBe(
      'a router could not be asked (operation op-1, op-2); a router did not unload a model (operation op-2): see /api/v1/operations; A: first; B: second',
    ));

  it.each(['failed', 'partial', null] as const)(
    '%s because the service shuts down: 503, for another may do what is left',
    (outcome) =>
      expect(answerTo(UNLOAD, [operation(), operation(outcome, {}, 'op-2')], true)).toMatchObject({
        status: 503,
        body: {
          detail:
            'the exporter is shutting down (operation op-2): see /api/v1/operations; A: first; B: second',
        },
      }),
  );

  it('all done while the service shuts down: 200', () =>
    expect(answerTo(UNLOAD, [operation()], true)).toMatchObject({ status: 200 }));

  it('models that stay busy or slow: 200, for another try at once changes nothing', () =>
    expect(answer(operation('failed', { models: [{ model: 'a', result: 'timeout' }] }))).toMatchObject({
      status: 200,
      body: { outcome: 'failed' },
    }));
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
])('%j together are %s', (outcomes, outcome) => {
  const operations = outcomes.map((each, index) => operation(each, {}, `op-${index}`));
  expect(answer(...operations).body.outcome).toBe(outcome);
});

it.each<[IgnoreReason, string]>([
  ['resolved', 'noop'],
  ['not_matched', 'refused'],
  ['malformed', 'refused'],
  ['malformed_wish', 'refused'],
  ['unknown_router', 'refused'],
  ['no_router', 'refused'],
  ['not_allowed', 'refused'],
])('nothing set off, %s: 200, %s', (reason, outcome) =>
  expect(answerTo({ kind: 'ignore', reason, details: ['why'] }, [])).toEqual({
    status: 200,
    contentType: 'application/json',
    body: { outcome, reason, detail: 'why', operations: [] },
  }),
);
