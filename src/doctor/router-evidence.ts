import { classifyBuild } from '../backends/llama-server/build.ts';
import { createProbe, type Probe, type Reply } from '../backends/probe.ts';
import type { Config, RouterConfig } from '../config/schema.ts';
import type { Listing } from '../models/feed.ts';
import { listingIn, propsIn } from './replies.ts';
import { examineSwap, isFromSwap, readableIn, type SwapEvidence } from './swap-evidence.ts';

type Asked = Pick<RouterConfig, 'name' | 'url' | 'kind' | 'api_key' | 'username' | 'ca_file' | 'host_header'>;

/** The answers of one router. Requests that were not sent are absent: each answer decides about the next. */
export interface RouterEvidence extends Asked {
  timeoutSeconds: number;
  /** `engine.read` */
  readMode: Config['engine']['read'];
  /** `address:port` of the connection. */
  peer?: string | undefined;
  props: Reply;
  models?: Reply | undefined;
  /** `/props` with `localhost` as `Host`, requested only when the first request is refused. */
  asLocalhost?: Reply | undefined;
  /** `/v1/models`, requested only when `/models` is not a listing. */
  openai?: Reply | undefined;
  /** Of a loaded model. */
  metrics?: { model: string; reply: Reply } | undefined;
  events?: Reply | undefined;
  /** Absent where the server is no llama-swap. */
  swap?: SwapEvidence | undefined;
}

/** The models of a server as the service lists them. */
export function listedModels({ models, swap }: RouterEvidence): Listing['models'] | undefined {
  if (swap === undefined) return listingIn(models)?.models;
  return swap.listing?.ok ? swap.listing.value.models : undefined;
}

/** Sends the requests one after the other. They only read: no model is loaded, woken, kept awake or unloaded. */
export async function examineRouter(
  router: RouterConfig,
  { follow, engine }: Pick<Config, 'follow' | 'engine'>,
): Promise<RouterEvidence> {
  const timeoutMs = follow.request_timeout * 1000;
  const probe = createProbe({ ...router, requestTimeoutMs: timeoutMs, modelTimeoutMs: timeoutMs });
  try {
    const answers = await ask(probe);
    const { props, models, openai } = answers;
    const endpoint = { ...router, requestTimeoutMs: timeoutMs, modelTimeoutMs: engine.timeout * 1000 };
    const swap = [props, models, openai].some(isFromSwap)
      ? await examineSwap(endpoint, probe, engine.read)
      : undefined;
    const { request_timeout: timeoutSeconds } = follow;
    return { ...router, timeoutSeconds, readMode: engine.read, peer: probe.peer(), swap, ...answers };
  } finally {
    await probe.close();
  }
}

type Answers = Omit<RouterEvidence, keyof Asked | 'timeoutSeconds' | 'readMode' | 'peer' | 'swap'>;

/** Refusals that may be about the header `Host`. */
const MAY_BE_HOST = [400, 403, 421];

async function ask(probe: Probe): Promise<Answers> {
  const { signal } = new AbortController();
  const get = (path: string, host?: string) => probe.ask(path, signal, host);
  const props = await get('/props');
  if (props.kind === 'silence' || isFromSwap(props)) return { props };
  const asLocalhost = MAY_BE_HOST.includes(props.status) ? await get('/props', 'localhost') : undefined;
  const models = await get('/models');
  if (isFromSwap(models)) return { props, models };
  const listing = listingIn(models);
  if (!listing) {
    if (models.kind === 'silence' || models.status === 401) return { props, models, asLocalhost };
    return { props, models, asLocalhost, openai: await get('/v1/models') };
  }
  const properties = propsIn(props);
  // Other servers may load a model for a request, in spite of autoload=false.
  const buildClass = classifyBuild(properties?.build, 'connecting');
  const [model] = properties ? readableIn(listing, buildClass, 'auto') : [];
  if (listing.withStatus === 0 && !properties) return { props, models };
  const metricsPath = `/metrics?model=${encodeURIComponent(model ?? '')}&autoload=false`;
  const metrics = model === undefined ? undefined : { model, reply: await get(metricsPath) };
  return { props, models, metrics, events: await get('/models/sse') };
}
