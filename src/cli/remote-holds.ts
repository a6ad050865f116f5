import type * as z from 'zod';
import type { holdBody } from '../http/routes/holds.ts';
import { type HoldView, holdView, memoryView } from '../http/view-schemas.ts';
import type { Clock } from '../lib/clock.ts';
import { type Operation, operation } from '../unload/report.ts';
import type { RemoteExporter } from './exporter-flag.ts';
import { holdsAnswer, request, send, valueIn } from './remote-exporter.ts';
import { printable } from './text.ts';

/** What a hold is placed with; the exporter has defaults. */
export type HoldBody = Omit<z.input<typeof holdBody>, 'wait'>;

export type RemoteHolds = ReturnType<typeof remoteHolds>;

const HOLDS = '/api/v1/holds';

/** The holds of an exporter. All functions throw an UnreachableError, or a UsageError when a request is rejected. */
export function remoteHolds(exporter: RemoteExporter) {
  const path = (id: string) => `${HOLDS}/${encodeURIComponent(id)}`;
  return {
    /** Answers at once, while memory is still being freed. */
    place: (body: HoldBody) => request(exporter, 'POST', HOLDS, holdView, { ...body, wait: false }),
    /** Answers when the hold is no more `preparing`, and after this time at the latest. */
    get: (id: string, waitSeconds: number) =>
      request(exporter, 'GET', `${path(id)}?wait=${waitSeconds}`, holdView),
    standing: async () => (await request(exporter, 'GET', HOLDS, holdsAnswer)).holds,
    /** `ended`: it has been released, has expired or has failed; `unknown`: the exporter has forgotten it. */
    async renew(id: string, seconds: number): Promise<'renewed' | 'ended' | 'unknown'> {
      const answer = await send(exporter, 'PATCH', path(id), { ttl_seconds: seconds });
      if (answer.status === 404) return 'unknown';
      if (answer.status === 409) return 'ended';
      valueIn(answer, holdView);
      return 'renewed';
    },
    /** Nothing happens when it has ended lately. */
    release: (id: string) => request(exporter, 'DELETE', path(id), holdView),
    operation: (id: string) =>
      request(exporter, 'GET', `/api/v1/operations/${encodeURIComponent(id)}`, operation),
    memory: () => request(exporter, 'GET', '/api/v1/memory', memoryView),
  };
}

/** Between two reads of the operation that frees memory. */
const PROGRESS_SECONDS = 0.5;

/**
 * Resolves to a placed hold when its memory is free or cannot be freed, and after this time at the latest. Until then,
 * `onProgress` receives the operation that frees memory.
 */
export async function untilPrepared(
  api: RemoteHolds,
  placed: HoldView,
  waitSeconds: number,
  onProgress: (operation: Operation) => void,
  clock: Clock,
): Promise<HoldView> {
  const deadline = clock.now() + waitSeconds * 1000;
  let hold = placed;
  for (;;) {
    if (hold.operation) onProgress(await api.operation(hold.operation));
    const left = (deadline - clock.now()) / 1000;
    if (hold.state !== 'preparing' || left <= 0) return hold;
    hold = await api.get(hold.id, Math.min(left, PROGRESS_SECONDS));
  }
}

/** Calls `say` once for each model that an operation waits for. */
export function sayWaiting(say: (line: string) => void): (operation: Operation) => void {
  const said = new Set<string>();
  return ({ routers }) => {
    for (const { router, models } of routers) {
      for (const { model, result, detail } of models) {
        const key = JSON.stringify([router, model]);
        if (result !== null || detail === undefined || said.has(key)) continue;
        said.add(key);
        say(printable(`waiting for ${model} to finish: ${detail}`));
      }
    }
  };
}
