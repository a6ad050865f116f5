import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Hold } from '../../hold/hold.ts';
import type { Clock } from '../../lib/clock.ts';
import { formatDuration } from '../../lib/duration.ts';
import { oneLine } from '../../lib/one-line.ts';
import { reasonText } from '../../unload/request.ts';
import { demandScope, permitOf } from '../auth/permit.ts';
import { namedRouter, names, parsed } from '../input.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import { viewHold } from '../views.ts';

const routerQuery = z.strictObject({ router: z.string().min(1).optional() });

/** The body of `PUT /api/v1/hold`. */
export const holdBody = z
  .strictObject({
    routers: names('Names of routers; all when absent or empty.').default([]),
    seconds: z
      .number()
      .min(1)
      .optional()
      .meta({ description: 'At most hold.max; a longer hold is answered by 400.' }),
    until: z.iso.datetime({ offset: true }).optional().meta({
      description:
        'In place of seconds: a time in the future, at most hold.max from now; any other time is answered by 400.',
    }),
    reason: reasonText.default(''),
    enforce: z.boolean().optional(),
  })
  .refine(({ seconds, until }) => (seconds === undefined) !== (until === undefined), {
    error: 'give either seconds or until (a time such as 2026-08-14T14:05:00Z)',
  })
  .meta({
    id: 'HoldRequest',
    oneOf: [{ required: ['seconds'] }, { required: ['until'] }],
    examples: [{ seconds: 3600, reason: 'training' }],
  });

/** `GET /api/v1/hold`, optionally of one `router`. */
export function holdsRoute(parts: AppParts) {
  return (request: Request, response: Response) => {
    response.json({ holds: namedIn(request, parts).map((hold) => viewHold(hold, parts.clock)) });
  };
}

/** `PUT /api/v1/hold`: places a hold on the named routers, or on all. */
export function placeHoldRoute({ store, holds, activeConfig, clock }: AppParts) {
  return (request: Request, response: Response) => {
    const rules = activeConfig.current().hold;
    const body = parsed(holdBody, request.body, 'Bad hold');
    const { routers, reason, enforce = rules.enforce } = body;
    for (const router of routers) namedRouter(store, router);
    demandScope(response, { routers, dryRun: false });
    const until = endOf(body, rules.max, clock);
    const names = routers.length > 0 ? routers : store.routers().map(({ name }) => name);
    const by = permitOf(response).caller.name;
    const placed = names.map((router) => holds.place({ router, until, reason, by, enforce }, true));
    response.json({ holds: placed.map((hold) => viewHold(hold, clock)) });
  };
}

/** `DELETE /api/v1/hold`: releases the hold on `router`, or all holds. */
export function releaseHoldRoute(parts: AppParts) {
  const { holds, clock } = parts;
  return (request: Request, response: Response) => {
    const by = permitOf(response).caller.name;
    const named = namedIn(request, parts);
    const { router } = request.query;
    demandScope(response, { routers: typeof router === 'string' ? [router] : [], dryRun: false });
    const released = named.flatMap((hold) => holds.release(hold.router, by) ?? []);
    response.json({ released: released.map((hold) => viewHold(hold, clock)) });
  };
}

function namedIn(request: Request, { store, holds }: AppParts): Hold[] {
  const { router } = parsed(routerQuery, request.query, 'Bad query');
  if (router === undefined) return holds.all();
  namedRouter(store, router);
  const hold = holds.of(router);
  return hold ? [hold] : [];
}

function endOf({ seconds, until: time = '' }: z.infer<typeof holdBody>, max: number, clock: Clock) {
  const now = clock.now();
  const until = seconds === undefined ? clock.fromWall(Date.parse(time)) : now + seconds * 1000;
  if (until <= now) {
    const detail = `until is ${oneLine(time, 40)}, which is in the past: the time here is ${new Date(clock.wall()).toISOString()}.`;
    throw new ProblemError(400, 'Bad hold', detail);
  }
  if (until - now > max * 1000) {
    const detail = `A hold may last ${formatDuration(max)} at most: shorten it, or raise hold.max in the configuration.`;
    throw new ProblemError(400, 'Bad hold', detail);
  }
  return until;
}
