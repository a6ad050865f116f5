import { describe, expect, it } from '@jest/globals';
import { outcomeOf, RESULTS, type Result, type RouterResult, summarize } from '../../src/unload/report.ts';

const router = (...results: Result[]): RouterResult => ({
  router: 'router',
  models: results.map((result, index) => ({ model: `m${index}`, result })),
});
const unreachable: RouterResult = {
  router: 'other',
  models: [],
  fault: { kind: 'unreachable', message: 'http://other refuses connections' },
};

describe('the summary', () => {
  it('counts each result, over all routers', () =>
    expect(summarize([router(...RESULTS), unreachable, router('unloaded')])).toEqual({
      unloaded: 4,
      already_unloaded: 1,
      kept: 1,
      busy: 1,
      failed: 2,
    }));

  it('of nothing is nothing', () =>
    expect(summarize([])).toEqual({ unloaded: 0, already_unloaded: 0, kept: 0, busy: 0, failed: 0 }));
});

describe('the outcome', () => {
  it.each<[string, RouterResult[], string]>([
    ['everything went', [router('unloaded', 'forced', 'asked')], 'success'],
    ['everything went that was not kept', [router('unloaded', 'kept', 'already_unloaded')], 'success'],
    ['nothing was to do', [router()], 'noop'],
    ['all was unloaded already, or kept', [router('already_unloaded', 'kept')], 'noop'],
    ['there is no router', [], 'noop'],
    ['some went and one failed', [router('unloaded', 'failed')], 'partial'],
    ['some went and one was still there', [router('unloaded', 'timeout')], 'partial'],
    ['some went and one was busy', [router('unloaded', 'busy')], 'partial'],
    ['some went and a router could not be reached', [router('unloaded'), unreachable], 'partial'],
    ['one failed', [router('failed')], 'failed'],
    ['one was busy and nothing went', [router('busy', 'kept')], 'failed'],
    ['no router could be reached', [unreachable], 'failed'],
    ['nothing was to do on those that could be reached', [router('already_unloaded'), unreachable], 'failed'],
  ])('when %s', (_, routers, outcome) =>
    expect(outcomeOf(routers, { dryRun: false, whenBusy: 'wait' })).toBe(outcome),
  );

  it.each<[string, RouterResult[], string]>([
    ['some went', [router('unloaded', 'busy')], 'success'],
    ['nothing went', [router('busy', 'kept')], 'noop'],
    ['one failed', [router('busy', 'failed')], 'failed'],
  ])('when busy ones were to be left alone, and %s', (_, routers, outcome) =>
    expect(outcomeOf(routers, { dryRun: false, whenBusy: 'skip' })).toBe(outcome),
  );

  it('of a dry run is just that', () =>
    expect(outcomeOf([router('would_unload')], { dryRun: true, whenBusy: 'wait' })).toBe('dry_run'));
});
