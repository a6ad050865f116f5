import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { holdView, modelView, routerView } from '../http/views.ts';
import type { Secret } from '../lib/secret.ts';
import { isRunning, STATUSES } from '../models/status.ts';
import { type ModelResult, type Operation, operation } from '../unload/report.ts';
import { UsageError } from './exit-codes.ts';

/** A running exporter, asked over HTTP. */
export interface RemoteExporter {
  /**
   * Starts the operation, and watches it to its end unless told not to. Throws an UnreachableError, or a UsageError
   * when the exporter refuses.
   */
  unload(
    body: object,
    watch: boolean,
    progress: (router: string, result: ModelResult) => void,
  ): Promise<Operation>;
  /** All that it shows of routers, models, holds and operations. Throws as `unload` does. */
  look(): Promise<Look>;
  /** What is in memory now, as `model (status)`. */
  still(): Promise<string[]>;
}

const routersShown = z.object({ routers: z.array(routerView) });
const modelsShown = z.object({ models: z.array(modelView) });
const holdsShown = z.object({ holds: z.array(holdView) });
const operationsShown = z.object({ operations: z.array(operation) });

/** What an exporter shows. */
export type Look = z.infer<typeof routersShown> &
  z.infer<typeof modelsShown> &
  z.infer<typeof holdsShown> &
  z.infer<typeof operationsShown>;

/** The exporter cannot be reached, or is none. */
export class UnreachableError extends Error {}

const BETWEEN_LOOKS_MS = 300;
const ANSWER_WITHIN_MS = 15_000;

const listed = z.object({
  models: z.array(z.object({ id: z.string(), status: z.enum(STATUSES).catch('other') })),
});
const told = z.object({ title: z.string(), detail: z.string().optional() });

export function createRemoteExporter(url: string, token: Secret | undefined): RemoteExporter {
  const base = url.replace(/\/+$/, '');
  return {
    async unload(body, watch, progress) {
      const seen = new Set<string>();
      let current = await ask('POST', '/api/v1/unload-all', operation, { ...body, wait: false });
      for (;;) {
        for (const { router, models } of current.routers) {
          for (const result of models) {
            const key = JSON.stringify([router, result.model]);
            if (result.result === null || seen.has(key)) continue;
            seen.add(key);
            progress(router, result);
          }
        }
        if (current.outcome !== null || !watch) return current;
        await sleep(BETWEEN_LOOKS_MS);
        current = await ask('GET', `/api/v1/operations/${current.id}`, operation);
      }
    },
    async look() {
      const [routers, models, holds, operations] = await Promise.all([
        ask('GET', '/api/v1/routers', routersShown),
        ask('GET', '/api/v1/models', modelsShown),
        ask('GET', '/api/v1/hold', holdsShown),
        ask('GET', '/api/v1/operations', operationsShown),
      ]);
      return { ...routers, ...models, ...holds, ...operations };
    },
    async still() {
      const { models } = await ask('GET', '/api/v1/models', listed);
      return models.filter(({ status }) => isRunning(status)).map(({ id, status }) => `${id} (${status})`);
    },
  };

  async function ask<T>(method: string, path: string, schema: z.ZodType<T>, body?: object): Promise<T> {
    const answer = await send(method, path, body);
    const text = await answer.text();
    const value = parse(text);
    const understood = schema.safeParse(value);
    // What failed is answered by 502 or 503 with its report.
    if (understood.success) return understood.data;
    if (answer.status >= 500 || answer.ok) {
      throw new UnreachableError(`${base}${path} answers ${answer.status}, not as an exporter does`);
    }
    const problem = told.safeParse(value).data;
    const hint = answer.status === 401 ? ' Give the token in LLAMA_ROUTER_EXPORTER_TOKEN_FILE.' : '';
    throw new UsageError(
      `the exporter refuses: ${problem?.detail ?? problem?.title ?? answer.status}${hint}`,
    );
  }

  async function send(method: string, path: string, body?: object): Promise<Response> {
    try {
      return await fetch(base + path, {
        method,
        headers: {
          Accept: 'application/json',
          'X-Trigger': 'cli',
          ...(body && { 'Content-Type': 'application/json' }),
          ...(token && { Authorization: `Bearer ${token.reveal()}` }),
        },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
        redirect: 'error',
      });
    } catch (error) {
      const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
      throw new UnreachableError(
        `${base} cannot be reached: ${cause?.code ?? cause?.message ?? (error as Error).message}`,
      );
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
