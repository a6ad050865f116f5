import { describe, expect, it } from '@jest/globals';
import { answerTo, type OperationSummary } from '../../src/alerts/answer.ts';
import type { AlertDecision, IgnoreReason } from '../../src/alerts/policy.ts';

const UNLOAD: AlertDecision = {
  kind: 'unload',
  requests: [],
  details: ['A: first', 'B: second'],
};

const operation = (more: Partial<OperationSummary> = {}): OperationSummary => ({
  id: 'op-1',
  outcome: 'success',
  finished: true,
  routerFaults: false,
  failed: false,
  ...more,
});

const answer = (...operations: OperationSummary[]) => answerTo(UNLOAD, operations);

describe('of operations', () => {
  it('without anything to tell: no detail', () =>
    expect(answerTo({ ...UNLOAD, details: [] }, [operation()]).body).not.toHaveProperty('detail'));

  it('done, all unloaded: 200 and the operation', () =>
    expect(answer(operation())).toEqual({
      status: 200,
      contentType: 'application/json',
      body: {
        outcome: 'success',
        finished: true,
        detail: 'A: first; B: second',
        operations: [{ id: 'op-1', outcome: 'success', finished: true }],
      },
    }));

  it('under way: 202 and the operation so far', () =>
    expect(answer(operation({ outcome: 'noop', finished: false }))).toEqual({
      status: 202,
      contentType: 'application/json',
      body: {
        outcome: 'noop',
        finished: false,
        detail: 'A: first; B: second',
        operations: [{ id: 'op-1', outcome: 'noop', finished: false }],
      },
    }));

  it.each(['cooldown', 'reload_loop'])('refused (%s): 200, and why', (refused) =>
    expect(answer(operation({ outcome: 'refused', refused }))).toEqual({
      status: 200,
      contentType: 'application/json',
      body: {
        outcome: 'refused',
        reason: refused,
        finished: true,
        detail: 'A: first; B: second',
        operations: [{ id: 'op-1', outcome: 'refused', finished: true, reason: refused }],
      },
    }),
  );

  it.each(['noop', 'dry_run'] as const)('%s: 200', (outcome) =>
    expect(answer(operation({ outcome }))).toMatchObject({ status: 200, body: { outcome } }),
  );

  it('a router that cannot be reached: 503 and a problem', () =>
    expect(answer(operation({ outcome: 'failed', routerFaults: true }))).toEqual({
      status: 503,
      contentType: 'application/problem+json',
      body: {
        type: 'about:blank',
        title: 'Not all was unloaded',
        status: 503,
        detail: 'a router could not be reached (operation op-1): see /api/v1/operations; A: first; B: second',
        outcome: 'failed',
        finished: true,
        operations: [{ id: 'op-1', outcome: 'failed', finished: true }],
      },
    }));

  it('an unload that a router refused: 503, also while others are under way', () =>
    expect(
      answer(operation({ outcome: 'partial', failed: true }), operation({ id: 'op-2', finished: false })),
    ).toMatchObject({
      status: 503,
      body: {
        detail:
          'a router refused to unload a model (operation op-1): see /api/v1/operations; A: first; B: second',
        outcome: 'partial',
        finished: false,
      },
    }));

  it('several things at once: 503, and all of them', () =>
    expect(
      answer(
        operation({ outcome: 'failed', routerFaults: true }),
        operation({ id: 'op-2', outcome: 'failed', routerFaults: true, failed: true }),
      ).body.detail,
    ).toBe(
      'a router could not be reached (operation op-1, op-2); a router refused to unload a model (operation op-2): see /api/v1/operations; A: first; B: second',
    ));

  it('models that stay busy or slow: 200, for another try at once changes nothing', () =>
    expect(answer(operation({ outcome: 'failed' }))).toMatchObject({
      status: 200,
      body: { outcome: 'failed' },
    }));
});

it.each<[OperationSummary['outcome'][], string]>([
  [['success', 'noop'], 'success'],
  [['success', 'refused'], 'success'],
  [['success', 'failed'], 'partial'],
  [['partial', 'noop'], 'partial'],
  [['failed', 'noop'], 'failed'],
  [['dry_run', 'refused'], 'dry_run'],
  [['noop', 'refused'], 'refused'],
  [['noop', 'noop'], 'noop'],
])('%j together are %s', (outcomes, outcome) => {
  const operations = outcomes.map((each, index) => operation({ id: `op-${index}`, outcome: each }));
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
    body: { outcome, reason, finished: true, detail: 'why', operations: [] },
  }),
);
