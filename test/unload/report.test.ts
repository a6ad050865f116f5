import { describe, expect, it } from '@jest/globals';
import {
  needsMeasurement,
  type OperationResult,
  outcomeOf,
  RESULTS,
  type RouterResult,
  summarize,
} from '../../src/unload/report.ts';
import { anOperation } from '../support/an-operation.ts';

const router = (...results: OperationResult[]): RouterResult => ({
  router: 'router',
  models: results.map((result, index) => ({ model: `m${index}`, result })),
});
const unreachable: RouterResult = {
  router: 'other',
  models: [],
  fault: { kind: 'unreachable', message: 'http://other refuses connections' },
};

describe('the summary', () => {
  it('counts each result over all routers', () =>
    expect(summarize([router(...RESULTS), unreachable, router('unloaded')])).toEqual({
      unloaded: 4,
      loaded: 1,
      already_loaded: 1,
      skipped: 1,
      already_unloaded: 1,
      kept: 1,
      busy: 1,
      failed: 2,
    }));
});

describe('the outcome', () => {
  it.each<[string, RouterResult[], string]>([
    ['all were unloaded', [router('unloaded', 'forced', 'asked')], 'success'],
    ['all were unloaded that were not kept', [router('unloaded', 'kept', 'already_unloaded')], 'success'],
    ['there was nothing to do', [router()], 'noop'],
    ['all were unloaded already or kept', [router('already_unloaded', 'kept')], 'noop'],
    ['there is no router', [], 'noop'],
    ['one failed', [router('unloaded', 'failed')], 'partial'],
    ['one timed out', [router('unloaded', 'timeout')], 'partial'],
    ['one was busy', [router('unloaded', 'busy')], 'partial'],
    ['one router is down', [router('unloaded'), unreachable], 'partial'],
    ['all failed', [router('failed')], 'failed'],
    ['all were busy or kept', [router('busy', 'kept')], 'failed'],
    ['all routers are down', [unreachable], 'failed'],
    [
      'one router is down and nothing was to do on the others',
      [router('already_unloaded'), unreachable],
      'failed',
    ],
  ])('when %s', (_, routers, outcome) =>
    expect(outcomeOf(routers, { dryRun: false, whenBusy: 'wait' })).toBe(outcome),
  );

  it.each<[string, RouterResult[], string]>([
    ['some were unloaded', [router('unloaded', 'busy')], 'success'],
    ['none was unloaded', [router('busy', 'kept')], 'noop'],
    ['one failed', [router('busy', 'failed')], 'failed'],
  ])('when busy models are skipped and %s', (_, routers, outcome) =>
    expect(outcomeOf(routers, { dryRun: false, whenBusy: 'skip' })).toBe(outcome),
  );

  it('of a dry run is dry_run', () =>
    expect(outcomeOf([router('would_unload')], { dryRun: true, whenBusy: 'wait' })).toBe('dry_run'));
});

describe('a failed operation', () => {
  const unmeasured: RouterResult = {
    router: 'router',
    models: [],
    fault: { kind: 'unmeasured', message: 'GPU memory is not measured' },
  };

  it.each<[string, RouterResult[], boolean]>([
    ['on routers without measured memory only', [unmeasured, { ...unmeasured, router: 'other' }], true],
    ['also because a router is down', [unmeasured, unreachable], false],
    ['also because a model is busy', [unmeasured, router('busy')], false],
    ['because a model is busy', [router('busy')], false],
  ])('%s: is the lack of a measurement its only cause?', (_, routers, isOnlyCause) => {
    const operation = anOperation({ outcome: 'failed', routers, summary: summarize(routers) });
    expect(needsMeasurement(operation)).toBe(isOnlyCause);
  });
});
