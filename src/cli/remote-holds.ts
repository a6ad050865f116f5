import { z } from 'zod';
import type { WhenBusy } from '../config/when-busy.ts';
import { type MemoryView, memoryView } from '../http/memory-view.ts';
import { type Operation, operation } from '../unload/report.ts';
import { answerOf, type RemoteExporter, request, send } from './remote-exporter.ts';

export const HOLD_UNLOADS = ['none', 'enough', 'all'] as const;

/** A hold as far as the commands need it; an exporter of a later version may tell more. */
const remoteHold = z.looseObject({
  id: z.string(),
  routers: z.array(z.string()),
  holder: z.string(),
  reason: z.string(),
  until: z.iso.datetime(),
  state: z.enum(['preparing', 'active', 'failed', 'ended']),
  why: z.string().nullish(),
  operation: z.string().nullish(),
});

export type RemoteHold = z.infer<typeof remoteHold>;

const holdsAnswer = z.object({ holds: z.array(remoteHold) });

/** What a hold is placed with; the exporter has defaults. */
export interface HoldBody {
  routers?: readonly string[] | undefined;
  ttl_seconds?: number | undefined;
  until?: string | undefined;
  reason?: string | undefined;
  holder?: string | undefined;
  need_bytes?: number | undefined;
  unload?: (typeof HOLD_UNLOADS)[number] | undefined;
  when_busy?: WhenBusy | undefined;
  restore?: boolean | undefined;
  enforce?: boolean | undefined;
}

/** `ended`: it has been released, has expired or has failed; `unknown`: the exporter has forgotten it. */
export type Renewal = 'renewed' | 'ended' | 'unknown';

/** The holds of an exporter. All functions throw an UnreachableError, or a UsageError when a request is rejected. */
export interface RemoteHolds {
  /** Answers at once, while memory is still being freed. */
  place(body: HoldBody): Promise<RemoteHold>;
  /** Answers when the hold is no more `preparing`, and after this time at the latest. */
  get(id: string, waitSeconds: number): Promise<RemoteHold>;
  standing(): Promise<RemoteHold[]>;
  renew(id: string, seconds: number): Promise<Renewal>;
  /** Nothing happens when it has ended lately. */
  release(id: string): Promise<RemoteHold>;
  operation(id: string): Promise<Operation>;
  memory(): Promise<MemoryView>;
}

const HOLDS = '/api/v1/holds';

export function remoteHolds(exporter: RemoteExporter): RemoteHolds {
  const path = (id: string) => `${HOLDS}/${encodeURIComponent(id)}`;
  return {
    place: (body) => request(exporter, 'POST', HOLDS, remoteHold, { ...body, wait: false }),
    get: (id, waitSeconds) => request(exporter, 'GET', `${path(id)}?wait=${waitSeconds}`, remoteHold),
    standing: async () => (await request(exporter, 'GET', HOLDS, holdsAnswer)).holds,
    async renew(id, seconds) {
      const answer = await send(exporter, 'PATCH', path(id), { ttl_seconds: seconds });
      if (answer.status === 404) return 'unknown';
      if (answer.status === 409) return 'ended';
      answerOf(exporter, path(id), remoteHold, answer);
      return 'renewed';
    },
    release: (id) => request(exporter, 'DELETE', path(id), remoteHold),
    operation: (id) => request(exporter, 'GET', `/api/v1/operations/${encodeURIComponent(id)}`, operation),
    memory: () => request(exporter, 'GET', '/api/v1/memory', memoryView),
  };
}
