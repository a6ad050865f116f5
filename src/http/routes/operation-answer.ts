import type { Request, Response } from 'express';
import * as z from 'zod';
import { WHEN_BUSY } from '../../config/when-busy.ts';
import { within } from '../../lib/clock.ts';
import type { Started } from '../../unload/operation.ts';
import { needsMeasurement, type Outcome } from '../../unload/report.ts';
import { reasonText } from '../../unload/request.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';

export const DAY = 86_400;

/** Schema of a span of time. */
export const seconds = (most: number, description: string) =>
  z.number().min(0).max(most).optional().describe(description);

export const whenBusyField = z
  .enum(WHEN_BUSY)
  .optional()
  .describe('What to do with a model that is generating or loading. Default: unload.when_busy.');

export const reasonField = reasonText
  .optional()
  .describe('The reason, for the report, the page and the audit.');

/** Schema of the field `wait`. */
export const waitField = z
  .union([z.boolean(), z.number().min(0).max(300)])
  .optional()
  .describe(
    'When to answer: true (default) when the operation has finished, after unload.answer_within at the latest; ' +
      'false at once; a number after this many seconds at the latest. The operation continues after the answer.',
  );

/** The longest wait for an answer; `answerWithin` where the body does not say. */
export function waitSeconds(wait: boolean | number = true, answerWithin: number): number {
  return wait === true ? answerWithin : Number(wait);
}

/** The page and the command line name themselves. Guards treat all three alike, so a wrong name gains nothing. */
export function triggerOf(request: Request): 'api' | 'cli' | 'page' {
  const said = request.get('x-trigger');
  return said === 'cli' || said === 'page' ? said : 'api';
}

const ERROR_STATUS: Partial<Record<Outcome, number>> = { failed: 502, refused: 503 };

/**
 * Answers when the operation has finished, or as early as `wait` says: 202 while it runs; then its outcome as a status that
 * `curl --fail` understands.
 */
export async function sendOperation(
  { activeConfig, clock }: AppParts,
  response: Response,
  { report, done }: Started,
  wait: boolean | number | undefined,
): Promise<void> {
  await within(waitSeconds(wait, activeConfig.current().unload.answer_within) * 1000, done, clock);
  const operation = report();
  const { id, outcome, routers } = operation;
  response.location(`/api/v1/operations/${id}`);
  if (needsMeasurement(operation)) {
    const detail = `Nothing was unloaded. ${routers.map(({ router, fault }) => `${router}: ${fault?.message}`).join('; ')}.`;
    const isUnknown = routers.some(({ fault }) => fault?.kind === 'unknown_gpu');
    throw new ProblemError(409, isUnknown ? 'Unknown GPU' : 'GPU memory not measured', detail);
  }
  if (outcome === 'refused') {
    const waits = routers.map(({ refused }) => refused?.retry_after_seconds ?? 0);
    response.set('Retry-After', String(Math.max(1, ...waits)));
  }
  response.status(outcome === null ? 202 : (ERROR_STATUS[outcome] ?? 200)).json(operation);
}
