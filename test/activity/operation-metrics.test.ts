import { expect, it } from '@jest/globals';
import { createOperationMetrics } from '../../src/activity/operation-metrics.ts';
import { render } from '../../src/metrics/exposition.ts';
import { anOperation } from '../support/an-operation.ts';
import { parseExposition } from '../support/exposition.ts';

function theMetrics() {
  const operationMetrics = createOperationMetrics();
  for (const router of ['box', 'attic'])
    operationMetrics.transition({ kind: 'router', router, change: 'added', at: 0 });
  const text = () => render(operationMetrics.samples(), 'text').join('');
  return {
    operationMetrics,
    value: (name: string, labels: Record<string, string>) =>
      parseExposition(text()).value(`llama_router_${name}`, labels),
  };
}

it('series start at 0, so that the first increase is seen', () => {
  const { value } = theMetrics();
  expect(value('unload_operations_total', { trigger: 'api', outcome: 'refused' })).toBe(0);
  expect(value('unload_refusals_total', { reason: 'unauthorized' })).toBe(0);
});

it('an operation counts its outcome, durations, freed memory and refusals', () => {
  const { operationMetrics, value } = theMetrics();
  operationMetrics.unload(
    anOperation({
      routers: [
        {
          router: 'box',
          memory: { before_bytes: 9000, after_bytes: 2000, freed_bytes: 7000 },
          models: [
            { model: 'a', result: 'unloaded', seconds: 0.25 },
            { model: 'b', result: 'forced', seconds: 10.5 },
            { model: 'c', result: 'timeout', seconds: 60 },
          ],
        },
        { router: 'attic', models: [], refused: { reason: 'cooldown', detail: '' } },
        { router: 'gone', models: [{ model: 'x', result: 'unloaded', seconds: 1 }] },
      ],
    }),
    {},
  );
  operationMetrics.refusal('unauthorized');
  expect(value('unload_operations_total', { trigger: 'alertmanager', outcome: 'success' })).toBe(1);
  expect(value('unload_duration_seconds_count', { router: 'box' })).toBe(2);
  expect(value('unload_duration_seconds_sum', { router: 'box' })).toBe(10.75);
  expect(value('unload_duration_seconds_count', { router: 'gone' })).toBeUndefined();
  expect(value('unload_freed_bytes_total', { router: 'box' })).toBe(7000);
  expect(value('unload_refusals_total', { reason: 'cooldown' })).toBe(1);
  expect(value('unload_refusals_total', { reason: 'unauthorized' })).toBe(1);
  expect(value('hold_enforced_unloads_total', { router: 'box' })).toBe(0);
});

it('unloads that enforce a hold are counted separately', () => {
  const { operationMetrics, value } = theMetrics();
  const models = [{ model: 'a', result: 'unloaded' as const, seconds: 1 }];
  operationMetrics.unload(anOperation({ routers: [{ router: 'box', models }] }), { enforcesHold: true });
  expect(value('hold_enforced_unloads_total', { router: 'box' })).toBe(1);
});

it('counters continue in the next process', () => {
  const { operationMetrics } = theMetrics();
  operationMetrics.unload(anOperation(), {});
  operationMetrics.refusal('cooldown');
  const next = theMetrics();
  next.operationMetrics.restore(operationMetrics.snapshot());
  expect(next.value('unload_operations_total', { trigger: 'alertmanager', outcome: 'success' })).toBe(1);
  expect(next.value('unload_refusals_total', { reason: 'cooldown' })).toBe(1);
});

it('counters of removed routers are kept up to a limit', () => {
  const operationMetrics = createOperationMetrics();
  const change = (router: string, change: 'added' | 'removed') =>
    operationMetrics.transition({ kind: 'router', router, change, at: 0 });
  const freed = () =>
    operationMetrics
      .snapshot()
      .flatMap(({ name, labels }) => (name.includes('freed') ? [labels.router] : []));
  for (let i = 0; i <= 3001; i += 1) {
    if (i > 0) change(`r${i - 1}`, 'removed');
    change(`r${i}`, 'added');
    const memory = { before_bytes: 2, after_bytes: 1, freed_bytes: 1 };
    operationMetrics.unload(anOperation({ routers: [{ router: `r${i}`, memory, models: [] }] }), {});
  }
  const left = freed();
  expect(left).toHaveLength(3001);
  expect(left).not.toContain('r0');
});
