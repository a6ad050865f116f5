import type { Backend, EngineMetrics } from '../backends/backend.ts';
import { connect } from '../backends/connect.ts';
import type { Endpoint } from '../backends/endpoint.ts';
import { isLlamaSwap } from '../backends/llama-swap/identity.ts';
import type { Probe, Reply } from '../backends/probe.ts';
import type { Config } from '../config/schema.ts';
import { systemClock, within } from '../lib/clock.ts';
import { parseJson } from '../lib/parse-json.ts';
import type { Listing, RouterAnswer, StreamEnd } from '../models/feed.ts';
import { type BuildClass, unreadReason } from '../models/router-state.ts';

/** The answers of one llama-swap. Without an understood version, nothing else is asked. */
export interface SwapEvidence {
  version: Reply;
  /** `/v1/models`, which leaves out models that are unlisted. */
  listed?: Reply | undefined;
  /** As the service lists its models. */
  listing?: RouterAnswer<Listing> | undefined;
  /** `open` once the first lists of models and requests have come; `silent`: they did not come in time. */
  stream?: 'open' | 'silent' | StreamEnd | undefined;
  /** Of each loaded model whose metrics may be read. */
  metrics?: { model: string; answer: RouterAnswer<EngineMetrics> }[] | undefined;
}

export function isFromSwap(reply: Reply | undefined): boolean {
  if (reply?.kind !== 'said') return false;
  return isLlamaSwap({ body: parseJson(reply.body), authenticate: reply.authenticate });
}

/** Asks a llama-swap as the service does. Nothing is asked that it passes on to a model. */
export async function examineSwap(
  endpoint: Endpoint,
  probe: Probe,
  readMode: Config['engine']['read'],
): Promise<SwapEvidence> {
  const { signal } = new AbortController();
  const version = await probe.ask('/api/version', signal);
  if (version.kind === 'silence' || version.status !== 200) return { version };
  const listed = await probe.ask('/v1/models', signal);
  const backend = connect(endpoint, 'llama-swap');
  const ending = new AbortController();
  try {
    const stream = await openStream(backend, ending, endpoint.requestTimeoutMs);
    const listing = await backend.list(signal);
    const metrics: SwapEvidence['metrics'] = [];
    const buildClass = backend.classify(undefined, 'connected');
    for (const model of listing.ok ? readableIn(listing.value, buildClass, readMode) : []) {
      metrics.push({ model, answer: await backend.metrics(model, signal) });
    }
    return { version, listed, listing, stream, metrics };
  } finally {
    ending.abort();
    await backend.close();
  }
}

/** Leaves an open stream open, until it is ended. */
async function openStream(
  backend: Backend,
  ending: AbortController,
  timeoutMs: number,
): Promise<SwapEvidence['stream']> {
  let state = 'silent' as SwapEvidence['stream'];
  const opening = new Promise<void>((resolve) => {
    const see = (seen: SwapEvidence['stream']) => {
      state = seen;
      resolve();
    };
    const ignore = () => {};
    void backend.follow(ending.signal, () => see('open'), ignore).then(see);
  });
  await within(timeoutMs, opening, systemClock);
  if (state === 'silent') ending.abort();
  return state;
}

/** Loaded models whose metrics can be read without restarting an idle timer. */
export function readableIn(
  { models }: Listing,
  buildClass: BuildClass,
  readMode: Config['engine']['read'],
): string[] {
  const router = { buildClass, engineMetrics: 'unknown', readMode } as const;
  return models
    .filter((model) => model.status === 'loaded' && unreadReason(router, model) === undefined)
    .map(({ id }) => id);
}
