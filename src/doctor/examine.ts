import { createProbe, type Probe, type Reply } from '../backends/llama-server/probe.ts';
import type { RouterConfig } from '../config/schema.ts';
import type { RouterEvidence } from './evidence.ts';
import { listingIn, routerPropsIn } from './listing.ts';

/**
 * Asks one router what tells it apart, one question after the other. Only reads: nothing is loaded, woken or
 * unloaded, and no model is asked that is not listed as loaded at that moment.
 */
export async function examineRouter(
  { name, url, api_key }: RouterConfig,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<RouterEvidence> {
  const timeoutMs = timeoutSeconds * 1000;
  const endpoint = {
    url,
    requestTimeoutMs: timeoutMs,
    modelTimeoutMs: timeoutMs,
    ...(api_key && { apiKey: api_key }),
  };
  const probe = createProbe(endpoint);
  try {
    const answers = await question(probe, signal);
    const peer = probe.peer();
    return { name, url, hasKey: api_key !== undefined, timeoutSeconds, ...(peer && { peer }), ...answers };
  } finally {
    await probe.close();
  }
}

type Answers = Omit<RouterEvidence, 'name' | 'url' | 'hasKey' | 'timeoutSeconds' | 'peer'>;

async function question(probe: Probe, signal: AbortSignal): Promise<Answers> {
  const ask = (path: string) => probe.ask(path, signal);
  const props = await ask('/props');
  if (props.kind === 'silence') return { props };
  const models = await ask('/models');
  const listing = listingIn(models);
  if (!listing) {
    if (models.kind === 'silence' || isLocked(models)) return { props, models };
    return { props, models, openai: await ask('/v1/models'), front: await ask('/') };
  }
  // What is no router may load a model when it is asked about one, whatever the query says.
  const loaded = routerPropsIn(props) && listing.models.find(({ status }) => status === 'loaded')?.id;
  const metrics = loaded && {
    model: loaded,
    reply: await ask(`/metrics?model=${encodeURIComponent(loaded)}&autoload=false`),
  };
  if (listing.withStatus === 0 && !routerPropsIn(props)) return { props, models };
  return { props, models, ...(metrics && { metrics }), events: await ask('/models/sse') };
}

function isLocked(reply: Reply): boolean {
  return reply.kind === 'said' && (reply.status === 401 || reply.status === 403);
}
