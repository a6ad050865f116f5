import type { Request, Response } from 'express';
import * as z from 'zod';
import { REPORTED_CAUSES, reportUsage, TASKS, type Task } from '../../models/usage.ts';
import { demandScope } from '../auth/permit.ts';
import { parsed } from '../input.ts';
import type { AppParts } from '../parts.ts';

const MAX_REPORTS = 100;

const name = (description: string) => z.string().min(1).max(255).meta({ description });

const report = z
  .strictObject({
    model: name('The id or an alias of the model.'),
    router: name('The name of a router. Default: every router that has the model.').optional(),
    cause: z
      .enum(REPORTED_CAUSES)
      .meta({ description: 'The kind of request: a chat, a background task, or another client of the API.' }),
    task: name('The task as Open WebUI names it. Only with cause task.').optional(),
  })
  .refine(({ cause, task }) => task === undefined || cause === 'task', {
    error: 'task is only allowed with cause task',
  })
  // The same rule in JSON Schema.
  .meta({ anyOf: [{ properties: { cause: { const: 'task' } } }, { not: { required: ['task'] } }] });

/** The body of `POST /api/v1/usage`. */
export const usageBody = z.strictObject({ reports: z.array(report).max(MAX_REPORTS) }).meta({
  id: 'UsageReports',
  examples: [{ reports: [{ model: 'qwen3-8b', cause: 'task', task: 'title_generation' }] }],
});

/** What `POST /api/v1/usage` answers. */
export const usageAnswer = z
  .object({
    accepted: z.int(),
    ignored: z.array(z.object({ model: z.string(), why: z.string() })),
  })
  .meta({ id: 'UsageAnswer' });

/** `POST /api/v1/usage`. A report about an unknown model is ignored, not an error: models come and go. */
export function usageRoute({ store, lifecycleMetrics }: AppParts) {
  return (request: Request, response: Response) => {
    const { reports } = parsed(usageBody, request.body, 'Bad usage');
    const named = reports.flatMap(({ router }) => router ?? []);
    // A report without a router may concern any router.
    demandScope(response, { routers: named.length === reports.length ? named : [], dryRun: false });
    const ignored: z.infer<typeof usageAnswer>['ignored'] = [];
    for (const { task, ...each } of reports) {
      if (reportUsage(store, each) > 0) lifecycleMetrics.reported(each.cause, taskOf(each.cause, task));
      else ignored.push({ model: each.model, why: whyNot(each.router) });
    }
    response.json({ accepted: reports.length - ignored.length, ignored });
  };
}

function taskOf(cause: string, task: string | undefined): Task | undefined {
  if (cause !== 'task') return undefined;
  return TASKS.find((known) => known === task) ?? 'other';
}

function whyNot(router: string | undefined): string {
  return router === undefined ? 'no router has this model' : `router ${router} does not have this model`;
}
