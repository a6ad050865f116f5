import { type Operation, summarize } from '../../src/unload/report.ts';

/** A finished operation of an alert without routers, except for the given fields. */
export function anOperation(more: Partial<Operation> = {}): Operation {
  return {
    id: '0f7c7fb2-64ac-4f0c-9f0f-0a1f5d2f3b11',
    action: 'unload',
    trigger: 'alertmanager',
    caller: { name: 'alertmanager' },
    reason: '',
    when_busy: 'wait',
    outcome: 'success',
    dry_run: false,
    started_at: '2026-08-14T09:12:31.120Z',
    duration_seconds: 1,
    routers: [],
    summary: summarize([]),
    still_in_memory: [],
    unmatched_keep: [],
    ...more,
  };
}
