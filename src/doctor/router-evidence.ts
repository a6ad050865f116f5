import { statSync } from 'node:fs';
import { classifyBuild } from '../backends/llama-server/build.ts';
import { endpointOf } from '../backends/llama-server/endpoint.ts';
import { createProbe, type Probe, type Reply } from '../backends/llama-server/probe.ts';
import type { Config, RouterConfig } from '../config/schema.ts';
import { serverAddress } from '../lib/address.ts';
import type { ListedModel, Listing, RouterProps } from '../models/feed.ts';
import { unreadReason } from '../models/router-state.ts';
import { listingIn, propsIn } from './replies.ts';

/** The answers of one router. Requests that were not sent are absent: each answer decides about the next. */
export interface RouterEvidence {
  name: string;
  url: string;
  hasKey: boolean;
  hasUser: boolean;
  caFile?: string | undefined;
  hostHeader?: string | undefined;
  /** Whether the path in the URL is a socket; undefined without one, or when it cannot be seen. */
  isSocket?: boolean | undefined;
  timeoutSeconds: number;
  /** `engine.read` */
  readMode: Config['engine']['read'];
  /** `address:port` of the connection. */
  peer?: string | undefined;
  props: Reply;
  models?: Reply | undefined;
  /** `/props` with `localhost` as `Host`, requested only when the first request is refused. */
  asLocalhost?: Reply | undefined;
  /** `/v1/models` and `/`, requested only when `/models` is not a listing. */
  openai?: Reply | undefined;
  front?: Reply | undefined;
  /** Of a loaded model. */
  metrics?: { model: string; reply: Reply } | undefined;
  events?: Reply | undefined;
}

/** Sends the requests one after the other. They only read: no model is loaded, woken, kept awake or unloaded. */
export async function examineRouter(
  router: RouterConfig,
  { follow, engine }: Pick<Config, 'follow' | 'engine'>,
): Promise<RouterEvidence> {
  const timeoutSeconds = follow.request_timeout;
  const { name, url, api_key, username, ca_file: caFile, host_header: hostHeader } = router;
  const timeoutMs = timeoutSeconds * 1000;
  const probe = createProbe(endpointOf(router, timeoutMs, timeoutMs));
  try {
    const answers = await ask(probe);
    const given = { name, url, hasKey: api_key !== undefined, hasUser: username !== undefined };
    const reach = {
      caFile,
      hostHeader,
      isSocket: isSocket(url),
      timeoutSeconds,
      readMode: engine.read,
      peer: probe.peer(),
    };
    return { ...given, ...reach, ...answers };
  } finally {
    await probe.close();
  }
}

function isSocket(url: string): boolean | undefined {
  const { socketPath } = serverAddress(url);
  try {
    return socketPath === undefined ? undefined : statSync(socketPath).isSocket();
  } catch {
    return undefined;
  }
}

/** Refusals that may be about the header `Host`. */
const MAY_BE_HOST = [400, 403, 421];

type Answers = Pick<
  RouterEvidence,
  'props' | 'models' | 'asLocalhost' | 'openai' | 'front' | 'metrics' | 'events'
>;

/** A loaded model whose metrics can be read without restarting its idle timer. */
function readableIn({ models }: Listing, { build }: RouterProps): ListedModel | undefined {
  const router = {
    buildClass: classifyBuild(build, 'connecting'),
    engineMetrics: 'unknown',
    readMode: 'auto',
  } as const;
  return models.find((model) => model.status === 'loaded' && unreadReason(router, model) === undefined);
}

async function ask(probe: Probe): Promise<Answers> {
  const { signal } = new AbortController();
  const get = (path: string) => probe.ask(path, signal);
  const props = await get('/props');
  if (props.kind === 'silence') return { props };
  const isRefused = MAY_BE_HOST.includes(props.status);
  const asLocalhost = isRefused ? await probe.ask('/props', signal, 'localhost') : undefined;
  const models = await get('/models');
  const listing = listingIn(models);
  if (!listing) {
    if (models.kind === 'silence' || models.status === 401) return { props, models, asLocalhost };
    return { props, models, asLocalhost, openai: await get('/v1/models'), front: await get('/') };
  }
  const properties = propsIn(props);
  if (listing.withStatus === 0 && !properties) return { props, models };
  // Other servers may load a model for this request, in spite of autoload=false.
  const loaded = properties && readableIn(listing, properties)?.id;
  const metrics =
    loaded === undefined
      ? undefined
      : {
          model: loaded,
          reply: await get(`/metrics?model=${encodeURIComponent(loaded)}&autoload=false`),
        };
  return { props, models, metrics, events: await get('/models/sse') };
}
