import { describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { createApp } from '../../src/http/app.ts';
import { aListing, listed } from '../support/a-model.ts';
import { appParts } from '../support/app-parts.ts';
import { addRouter } from '../support/driven-router.ts';
import { anEmptyFleet } from '../support/fleets.ts';

/** Two routers, and what was counted of reports about their models. */
function reporting() {
  const { store, clock } = anEmptyFleet();
  addRouter(store, 'box', 'http://box').listed(aListing(listed('qwen', 'unloaded')));
  addRouter(store, 'attic', 'http://attic').listed(
    aListing(listed('qwen', 'loaded'), listed('gemma', 'loaded')),
  );
  const counted: unknown[] = [];
  const reported = (...report: unknown[]) => counted.push(report);
  const http = supertest(createApp(appParts({ store, clock }, { lifecycleMetrics: { reported } })));
  return { counted, report: (body: object) => http.post('/api/v1/usage').send(body) };
}

describe('POST /api/v1/usage', () => {
  it('takes reports, counts them with the kind of the task, and says which are about nothing here', async () => {
    const { counted, report } = reporting();
    const { status, body } = await report({
      reports: [
        { model: 'qwen', cause: 'chat' },
        { model: 'gemma', router: 'attic', cause: 'task', task: 'title_generation' },
        { model: 'gemma', cause: 'task', task: 'of the future' },
        { model: 'gemma', router: 'box', cause: 'api' },
        { model: 'gpt-5', cause: 'chat' },
      ],
    });
    expect([status, body]).toEqual([
      200,
      {
        accepted: 3,
        ignored: [
          { model: 'gemma', why: 'router box does not have this model' },
          { model: 'gpt-5', why: 'no router has this model' },
        ],
      },
    ]);
    expect(counted).toEqual([
      ['chat', undefined],
      ['task', 'title_generation'],
      ['task', 'other'],
    ]);
  });

  it.each([
    [{}, 'reports'],
    [{ reports: Array.from({ length: 101 }, () => ({ model: 'qwen', cause: 'chat' })) }, 'Too big'],
    [{ reports: [{ model: 'qwen', cause: 'boredom' }] }, 'cause'],
    [
      { reports: [{ model: 'qwen', cause: 'chat', task: 'title_generation' }] },
      'task is only allowed with cause task',
    ],
    [{ reports: [{ model: 'qwen', cause: 'chat', user: 'alice' }] }, 'user'],
  ])('refuses %j', async (body, why) => {
    const { counted, report } = reporting();
    const answer = await report(body);
    expect([answer.status, JSON.parse(answer.text).title]).toEqual([400, 'Bad usage']);
    expect(JSON.parse(answer.text).detail).toContain(why);
    expect(counted).toEqual([]);
  });
});
