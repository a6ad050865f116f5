import { expect, it } from '@jest/globals';
import { exitCodeOf, loadedMeanwhile, type UnloadAim } from '../../src/cli/operation-output.ts';
import type { ModelResult, RouterResult } from '../../src/unload/report.ts';
import { summarize } from '../../src/unload/report.ts';
import { anOperation } from '../support/an-operation.ts';

const ALL: UnloadAim = { named: false, partial: false };

function aReport(more: Partial<RouterResult>, inMemory: string[] = []) {
  const routers = [{ router: 'box', models: [], ...more }];
  const still_in_memory = inMemory.map((model) => ({ router: 'box', model, status: 'loaded' as const }));
  return anOperation({ routers, still_in_memory, summary: summarize(routers) });
}

const model = (result: ModelResult['result']): Partial<RouterResult> => ({
  models: [{ model: 'a', result }],
});

it.each<[string, number, ReturnType<typeof aReport>, UnloadAim]>([
  ['everything is gone', 0, aReport(model('unloaded')), ALL],
  ['nothing was loaded', 0, aReport({}), ALL],
  ['a kept model is in memory', 0, aReport(model('kept'), ['a']), ALL],
  ['a busy model is in memory', 1, aReport(model('busy'), ['a']), ALL],
  ['an unload was not verified', 1, aReport(model('timeout'), ['a']), ALL],
  ['an unloaded model is in memory again', 1, aReport(model('unloaded'), ['a']), ALL],
  ['a model that stopped by itself is in memory again', 1, aReport(model('already_unloaded'), ['a']), ALL],
  ['a client has loaded another model', 1, aReport(model('unloaded'), ['b']), ALL],
  [
    'a client has loaded a model that was not named',
    0,
    aReport(model('unloaded'), ['b']),
    { ...ALL, named: true },
  ],
  [
    'a client has loaded the named model again',
    1,
    aReport(model('unloaded'), ['a']),
    { ...ALL, named: true },
  ],
  [
    'only idle models were to go, or none was waited for',
    0,
    aReport(model('asked'), ['a', 'b']),
    { ...ALL, partial: true },
  ],
  ['a guard refused', 1, aReport({ refused: { reason: 'cooldown', detail: '' } }, ['a']), ALL],
  ['a router is at fault', 3, aReport({ fault: { kind: 'no_statuses', message: '' } }), ALL],
])('the exit code when %s is %i', (_, code, operation, aim) => {
  const isRefused = operation.routers.some(({ refused }) => refused);
  expect(exitCodeOf(operation, aim, false)).toBe(code);
  expect(exitCodeOf(operation, aim, true)).toBe(code === 0 ? 3 : code);
  expect(isRefused || code === 1 || loadedMeanwhile(operation, aim).length === 0).toBe(true);
});

it('a dry run leaves models in memory', () => {
  const operation = { ...aReport(model('would_unload'), ['a']), dry_run: true };
  expect(exitCodeOf(operation, ALL, false)).toBe(0);
});
