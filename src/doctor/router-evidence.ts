import { createProbe, type Probe, type Reply } from '../backends/llama-server/probe.ts';
import type { RouterConfig } from '../config/schema.ts';
import { listingIn, propsIn } from './replies.ts';

/** The answers of one router. Requests that were not sent are absent: each answer decides about the next. */
export interface RouterEvidence {
  name: string;
  url: string;
  hasKey: boolean;
  timeoutSeconds: number;
  /** `address:port` of the connection. */
  peer?: string | undefined;
  props: Reply;
  models?: Reply | undefined;
  /** `/v1/models` and `/`, requested only when `/models` is not a listing. */
  openai?: Reply | undefined;
  front?: Reply | undefined;
  /** Of a loaded model. */
  metrics?: { model: string; reply: Reply } | undefined;
  events?: Reply | undefined;
}

/** Sends the requests one after the other. They only read: no model is loaded, woken or unloaded. */
export async function examineRouter(
  { name, url, api_key }: RouterConfig,
  timeoutSeconds: number,
): Promise<RouterEvidence> {
  const timeoutMs = timeoutSeconds * 1000;
  const endpoint = { url, requestTimeoutMs: timeoutMs, modelTimeoutMs: timeoutMs };
  const probe = createProbe(api_key ? { ...endpoint, apiKey: api_key } : endpoint);
  try {
    const answers = await ask(probe);
    return { name, url, hasKey: api_key !== undefined, timeoutSeconds, peer: probe.peer(), ...answers };
  } finally {
    await probe.close();
  }
}

type Answers = Omit<RouterEvidence, 'name' | 'url' | 'hasKey' | 'timeoutSeconds' | 'peer'>;

async function ask(probe: Probe): Promise<Answers> {
  const { signal } = new AbortController();
  const get = (path: string) => probe.ask(path, signal);
  const props = await get('/props');
  if (props.kind === 'silence') return { props };
  const models = await get('/models');
  const listing = listingIn(models);
  if (!listing) {
    if (models.kind === 'silence' || models.status === 401 || models.status === 403) return { props, models };
    return { props, models, openai: await get('/v1/models'), front: await get('/') };
  }
  const isRouter = propsIn(props) !== undefined;
  if (listing.withStatus === 0 && !isRouter) return { props, models };
  // Other servers may load a model for this request, in spite of autoload=false.
  const loaded = isRouter ? listing.models.find(({ status }) => status === 'loaded')?.id : undefined;
  const metrics =
    loaded === undefined
      ? undefined
      : {
          model: loaded,
          reply: await get(`/metrics?model=${encodeURIComponent(loaded)}&autoload=false`),
        };
  return { props, models, metrics, events: await get('/models/sse') };
}
