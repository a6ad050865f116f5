import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { problem } from '../http/problem.ts';
import type { holdBody } from '../http/routes/holds.ts';
import type { LoadBody } from '../http/routes/load.ts';
import type { UnloadBody } from '../http/routes/unload.ts';
import { type HoldView, holdView, memoryView, modelView, routerView } from '../http/view-schemas.ts';
import type { Clock } from '../lib/clock.ts';
import { oneLine } from '../lib/one-line.ts';
import { parseJson } from '../lib/parse-json.ts';
import { STATUSES } from '../models/feed.ts';
import type { OnProgress } from '../unload/operation.ts';
import { type Operation, operation } from '../unload/report.ts';
import type { RemoteExporter } from './command.ts';
import { UnreachableError, UsageError } from './exit-codes.ts';
import type { OneOff } from './one-off.ts';
import type { StateView } from './state-view.ts';
import { printable } from './text.ts';

const POLL_MS = 300;
const TIMEOUT_MS = 15_000;

const routersAnswer = z.object({ routers: z.array(routerView) });
// An exporter of a later version may have more statuses.
const modelsAnswer = z.object({
  models: z.array(modelView.extend({ status: z.enum(STATUSES).catch('other') })),
});
const holdsAnswer = z.object({ holds: z.array(holdView) });
const operationsAnswer = z.object({ operations: z.array(operation) });

/** Throws an UnreachableError, or a UsageError when the exporter rejects the request; so do the functions below. */
export async function stateThrough(exporter: RemoteExporter): Promise<OneOff<StateView>> {
  const [routers, models, memory, holds, operations] = await Promise.all([
    request(exporter, 'GET', '/api/v1/routers', routersAnswer),
    request(exporter, 'GET', '/api/v1/models', modelsAnswer),
    request(exporter, 'GET', '/api/v1/memory', memoryView),
    request(exporter, 'GET', '/api/v1/holds', holdsAnswer),
    request(exporter, 'GET', '/api/v1/operations', operationsAnswer),
  ]);
  return { result: { ...routers, ...models, memory, ...holds, ...operations }, missed: false };
}

/** Starts an unload or a load and resolves with its report, when it has ended or with `watch: false` at once. */
export async function operateThrough(
  exporter: RemoteExporter,
  path: '/api/v1/unload-all' | '/api/v1/load',
  body: UnloadBody | LoadBody,
  watch: boolean,
  progress: OnProgress,
): Promise<OneOff<Operation>> {
  const reported = new Set<string>();
  let current = await request(exporter, 'POST', path, operation, { ...body, wait: false });
  for (;;) {
    for (const { router, models } of current.routers) {
      for (const entry of models) {
        const key = JSON.stringify([router, entry]);
        if (reported.has(key)) continue;
        reported.add(key);
        progress(router, entry);
      }
    }
    if (current.outcome !== null || !watch) return { result: current, missed: false };
    await sleep(POLL_MS);
    current = await request(exporter, 'GET', `/api/v1/operations/${current.id}`, operation);
  }
}

async function request<T>(
  exporter: RemoteExporter,
  method: string,
  path: string,
  schema: z.ZodType<T>,
  body?: object,
): Promise<T> {
  return valueIn(await send(exporter, method, path, body), schema);
}

interface RemoteAnswer {
  url: string;
  status: number;
  text: string;
}

/** The value in an answer; throws as `request`. */
function valueIn<T>({ url, status, text }: RemoteAnswer, schema: z.ZodType<T>): T {
  const json = parseJson(text);
  // A failed operation answers 502 or 503 with its report.
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  if (status >= 500 || status < 300) {
    throw new UnreachableError(`${url} answers ${status}, but not as an exporter does: check the URL`);
  }
  const { title, detail = title } = problem.safeParse(json).data ?? { title: `status ${status}` };
  const hint = status === 401 ? ' Give the token in LLAMA_ROUTER_EXPORTER_TOKEN_FILE.' : '';
  throw new UsageError(`the exporter rejects the request: ${oneLine(detail, 1000)}${hint}`);
}

/** Throws an UnreachableError. */
async function send(
  { url, token }: RemoteExporter,
  method: string,
  path: string,
  body?: object,
): Promise<RemoteAnswer> {
  const headers: Record<string, string> = { Accept: 'application/json', 'X-Trigger': 'cli' };
  if (body) headers['Content-Type'] = 'application/json';
  if (token) headers.Authorization = `Bearer ${token.reveal()}`;
  try {
    const answer = await fetch(url + path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
    });
    return { url: url + path, status: answer.status, text: await answer.text() };
  } catch (error) {
    const { cause, message } = error as Error & { cause?: NodeJS.ErrnoException };
    throw new UnreachableError(`${url} cannot be reached: ${cause?.code ?? cause?.message ?? message}`);
  }
}

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
