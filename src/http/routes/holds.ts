import type { Request, Response } from 'express';
import * as z from 'zod';
import type { Hold } from '../../hold/hold.ts';
import { HOLD_UNLOADS } from '../../hold/hold-unloads.ts';
import { formatBytes } from '../../lib/bytes.ts';
import type { Clock } from '../../lib/clock.ts';
import { formatDuration } from '../../lib/duration.ts';
import { oneLine } from '../../lib/one-line.ts';
import { whyNoLoad } from '../../models/server-traits.ts';
import { reasonText } from '../../unload/request.ts';
import { demandScope, permitOf } from '../auth/permit.ts';
import { namedRouter, names, parsed } from '../input.ts';
import type { AppParts } from '../parts.ts';
import { ProblemError } from '../problem.ts';
import { viewHold } from '../views.ts';
import { LONGEST_WAIT, type WaitingRoom, waitInQuery } from '../waiting-room.ts';
import { DAY, triggerOf, waitSeconds, whenBusyField } from './operation-answer.ts';

const end = {
  ttl_seconds: z
    .number()
    .min(1)
    // The most that hold.max can be.
    .max(24 * DAY, { error: 'A hold may last 24d at most: shorten it' })
    .optional()
    .meta({ description: 'From now on. At most hold.max; a longer hold is answered by 400.' }),
  until: z.iso.datetime({ offset: true }).optional().meta({
    description:
      'In place of ttl_seconds: a time in the future, at most hold.max from now; any other time is answered by 400.',
  }),
};

type HoldEnd = { ttl_seconds?: number | undefined; until?: string | undefined };

const hasOneEnd = ({ ttl_seconds, until }: HoldEnd) => (ttl_seconds === undefined) !== (until === undefined);
const ONE_END = { error: 'give either ttl_seconds or until (a time such as 2026-08-14T14:05:00Z)' };
const ONE_OF = [{ required: ['ttl_seconds'] }, { required: ['until'] }];

/** The body of `POST /api/v1/holds`. */
export const holdBody = z
  .strictObject({
    routers: names('Names of routers; all when absent or empty.').default([]),
    ...end,
    reason: reasonText.default('').meta({ description: 'What the memory is needed for.' }),
    holder: reasonText.min(1).optional().meta({ description: 'Whom it is for. Default: the caller.' }),
    need_bytes: z.number().int().positive().optional().meta({
      description:
        'The hold is active once so much is measured free on one GPU. 409 where GPU memory is not measured.',
    }),
    unload: z.enum(HOLD_UNLOADS).optional().meta({
      description:
        'Which models to unload: none, as few as need_bytes requires (enough), or all. Default: enough with need_bytes, else none.',
    }),
    when_busy: whenBusyField,
    restore: z
      .boolean()
      .default(false)
      .meta({
        description:
          'Load the models that it unloaded again when the last hold on their router ends. ' +
          '409 where the server has no order to load a model (llama-swap).',
      }),
    enforce: z.boolean().optional().meta({
      description: 'Unload models that are loaded meanwhile, once they are idle. Default: hold.enforce.',
    }),
    wait: z
      .union([z.boolean(), z.number().min(0).max(LONGEST_WAIT)])
      .default(true)
      .meta({
        description:
          'When to answer: true when the memory is free or cannot be freed, after unload.answer_within at the latest; ' +
          'false at once; a number after this many seconds at the latest.',
      }),
  })
  .refine(hasOneEnd, ONE_END)
  .refine(({ unload, need_bytes }) => unload !== 'enough' || need_bytes !== undefined, {
    error: 'unload: enough requires need_bytes',
    path: ['unload'],
  })
  .meta({
    id: 'HoldRequest',
    oneOf: ONE_OF,
    // The second rule in JSON Schema.
    if: { properties: { unload: { const: 'enough' } }, required: ['unload'] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { required: ['need_bytes'] },
    examples: [{ ttl_seconds: 3600, reason: 'training', unload: 'all', restore: true }],
  });

/** The body of `PATCH /api/v1/holds/:id`. */
export const renewalBody = z
  .strictObject(end)
  .refine(hasOneEnd, ONE_END)
  .meta({ id: 'HoldRenewal', oneOf: ONE_OF, examples: [{ ttl_seconds: 60 }] });

const routerQuery = z.strictObject({ router: z.string().min(1).optional() });

/** `GET /api/v1/holds`: the standing ones, optionally on one `router`. */
export function holdsRoute({ store, holds, clock }: AppParts) {
  return (request: Request, response: Response) => {
    const { router } = parsed(routerQuery, request.query, 'Bad query');
    const standing = router === undefined ? holds.all() : holds.on(namedRouter(store, router).name);
    response.json({ holds: standing.map((hold) => viewHold(hold, clock)) });
  };
}

/** `POST /api/v1/holds`: places a hold, and answers when the memory is free. */
export function placeHoldRoute(parts: AppParts, waiting: WaitingRoom) {
  const { store, holds, activeConfig, clock, saveState } = parts;
  return async (request: Request, response: Response) => {
    const { hold: rules, unload: defaults } = activeConfig.current();
    const body = parsed(holdBody, request.body, 'Bad hold');
    for (const router of body.routers) namedRouter(store, router);
    demandScope(response, { routers: body.routers, dryRun: false });
    const routers = body.routers.length > 0 ? body.routers : store.routers().map(({ name }) => name);
    if (routers.length === 0) throw new ProblemError(409, 'Nothing to hold', 'No router is followed yet.');
    const { need_bytes: needBytes, reason, restore, enforce = rules.enforce } = body;
    const until = endOf(body, rules.max, clock);
    if (restore) demandRestorable(parts, routers);
    if (needBytes !== undefined) await demandMeasured(parts, routers, needBytes);
    const { caller: by } = permitOf(response);
    const { id } = holds.place({
      routers: [...new Set(routers)],
      holder: body.holder ?? by.name,
      by,
      trigger: triggerOf(request),
      reason,
      until,
      needBytes,
      unload: body.unload ?? (needBytes === undefined ? 'none' : 'enough'),
      whenBusy: body.when_busy ?? defaults.when_busy,
      restore,
      enforce,
    });
    await saveState();
    const seconds = waitSeconds(body.wait, defaults.answer_within);
    await waiting(seconds, response, () => holds.get(id)?.state !== 'preparing');
    const hold = holds.get(id) as Hold;
    response.location(`/api/v1/holds/${id}`);
    response.status(hold.state === 'failed' ? 502 : 201).json(viewHold(hold, clock));
  };
}

/** `GET /api/v1/holds/:id`: also one that ended lately; with `wait`, once it is not `preparing`. */
export function holdRoute({ holds, clock }: AppParts, waiting: WaitingRoom) {
  return async (request: Request, response: Response) => {
    const seconds = waitInQuery(request.query.wait);
    const { id } = namedHold(request, holds);
    await waiting(seconds, response, () => holds.get(id)?.state !== 'preparing');
    response.json(viewHold(namedHold(request, holds), clock));
  };
}

/** `PATCH /api/v1/holds/:id`: changes its end. */
export function renewHoldRoute({ holds, activeConfig, clock, saveState }: AppParts) {
  return async (request: Request, response: Response) => {
    const hold = namedHold(request, holds);
    demandOwnership(response, hold);
    const until = endOf(
      parsed(renewalBody, request.body, 'Bad renewal'),
      activeConfig.current().hold.max,
      clock,
    );
    const renewed = holds.renew(hold.id, until);
    if (renewed === undefined) {
      const detail = `The hold has ${hold.state === 'failed' ? 'failed' : 'ended'}: place a new one.`;
      throw new ProblemError(409, 'Hold not standing', detail);
    }
    await saveState();
    response.json(viewHold(renewed, clock));
  };
}

/** `DELETE /api/v1/holds/:id`: ends it; a second time does nothing. */
export function releaseHoldRoute({ holds, clock, saveState }: AppParts) {
  return async (request: Request, response: Response) => {
    const hold = namedHold(request, holds);
    demandOwnership(response, hold);
    holds.release(hold.id, permitOf(response).caller.name);
    await saveState();
    response.json(viewHold(holds.get(hold.id) ?? hold, clock));
  };
}

function namedHold(request: Request, holds: AppParts['holds']): Hold {
  const hold = holds.get(String(request.params.id));
  if (hold) return hold;
  const detail =
    'It does not exist, or ended before the last hundred did. GET /api/v1/holds lists those that stand.';
  throw new ProblemError(404, 'No such hold', detail);
}

/** A hold is renewed and released by who placed it, and by who may write on all its routers. */
function demandOwnership(response: Response, { by, routers }: Hold): void {
  if (permitOf(response).caller.name !== by.name) demandScope(response, { routers, dryRun: false });
}

/** Throws a 409 where nothing could be loaded again at the end. */
function demandRestorable({ store }: AppParts, routers: readonly string[]): void {
  const loadless = store.routers().find(({ name, traits }) => routers.includes(name) && !traits.loads);
  if (loadless === undefined) return;
  const detail = `${whyNoLoad(loadless)}. Place the hold without restore, or on other routers.`;
  throw new ProblemError(409, 'Nothing can be loaded again', detail);
}

/** Throws a 409 where so much memory can never be measured free. */
async function demandMeasured({ memory }: AppParts, routers: readonly string[], needBytes: number) {
  const measured = () => routers.flatMap((router) => memory.ofRouter(router) ?? []);
  // The first measurement may be under way.
  if (measured().length === 0) await memory.fresh(2000);
  if (measured().length === 0) {
    const detail = `The GPU memory of ${routers.join(', ')} is not measured here, which need_bytes requires: run the exporter on its host (llama-router-exporter doctor says more), or leave need_bytes out.`;
    throw new ProblemError(409, 'GPU memory not measured', detail);
  }
  const largest = Math.max(...measured().flatMap((each) => each.gpus().map(({ totalBytes }) => totalBytes)));
  if (largest >= needBytes) return;
  const detail = `${formatBytes(needBytes)} are needed on one GPU, and the largest has ${formatBytes(largest)}.`;
  throw new ProblemError(409, 'No GPU is so large', detail);
}

function endOf({ ttl_seconds, until: time = '' }: HoldEnd, max: number, clock: Clock): number {
  const now = clock.now();
  const until = ttl_seconds === undefined ? clock.fromWall(Date.parse(time)) : now + ttl_seconds * 1000;
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
