import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../../../simulator/answer.ts';
import type { Intercept, Served } from '../../../simulator/server.ts';
import type { SwapSettings } from '../../../simulator/swap/settings.ts';
import { createSimulatedSwap, type SimulatedSwap } from '../../../simulator/swap/simulated-swap.ts';
import { listing, pageNotFound, swapError } from '../../../simulator/swap/swap-answers.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createFaults, type Faults, sendFault } from './faults.ts';
import { createRequestLog, type RequestLog } from './request-log.ts';
import { createRestartable, type Restartable } from './restartable.ts';
import { withoutStream } from './test-router.ts';

export interface TestSwapOptions extends Partial<Omit<SwapSettings, 'remoteModels'>>, Partial<OtherNames> {
  /** One of them is required by every path but `/health`. Default: none. */
  readonly apiKeys?: readonly string[];
  /** Paths that this build does not have. */
  readonly missing?: readonly string[];
}

/** What a llama-swap lists besides its own models, for clients to name. */
export interface OtherNames {
  /** Models of other servers, by the server's name. */
  readonly peers: Readonly<Record<string, readonly string[]>>;
  /** Names that stand for the first of these models that is loaded, or the first. */
  readonly selectors: Readonly<Record<string, readonly string[]>>;
  /** Names that stand for a model, by the profile that has to be active. */
  readonly profiles: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** A simulated llama-swap that can fail and records its requests. */
export interface TestSwap
  extends Restartable<SimulatedSwap>,
    Pick<RequestLog, 'requests' | 'violations' | 'count'> {
  readonly faults: Faults;
  /** Kills it: every connection breaks. Its models' processes stay, and these models cannot be started again. */
  kill(): Promise<void>;
  /** Reads its configuration again, changed by `changes`: streams end, nothing is loaded, busy processes end later. */
  reload(changes?: Partial<SwapSettings>): Promise<void>;
}

export function createTestSwap({
  apiKeys = [],
  missing = [],
  peers = {},
  selectors = {},
  profiles = {},
  ...settings
}: TestSwapOptions = {}): TestSwap {
  const { clock = systemClock } = settings;
  let options: Partial<SwapSettings> = { ...settings, remoteModels: peerModels(peers).map(remoteModel) };
  let pins: readonly string[] = [];
  const portNumbers = new Map<string, number>();
  const runs = new Set<SimulatedSwap>();
  /** Models whose processes outlived their llama-swap. */
  const orphaned = new Set<string>();
  const faults = createFaults();
  const log = createRequestLog(({ path, query }) => {
    const loads = path.startsWith('/upstream/') || (path === '/props' && query.has('model'));
    return loads ? ['loads the model and restarts its ttl'] : [];
  });

  const intercept: Intercept = async (request, response) => {
    const { method, path, query, headers } = request;
    response.on('close', log.begin(request));
    const respond = async () => {
      if (path !== '/health' && !isAuthorized(headers, apiKeys)) {
        response.setHeader('WWW-Authenticate', 'Basic realm="llama-swap"');
        return unauthorized;
      }
      if (missing.includes(path)) return pageNotFound;
      if (method === 'PUT' && path === '/api/profiles/active') {
        const { name } = JSON.parse(request.body) as { name: string };
        pins = Object.keys(profiles[name] ?? {});
        return listing({ active: name });
      }
      const asked = path === '/props' ? query.get('model') : undefined;
      const [, model = asked, question = path] = /^\/upstream\/([^/]+)(\/.*)$/.exec(path) ?? [];
      if (model) return passOn(model, question);
      // The server may be that of an earlier run.
      const answer = await swap.current.routes(request);
      return /^(\/v1)?\/models$/.test(path) ? withOthers(answer, { peers, selectors }, pins) : answer;
    };
    const fault = faults.take(path, query.get('model'));
    if (!fault) return respond();
    await sendFault(fault, response, () => respond().then(withoutStream), clock);
    return undefined;
  };
  const swap = createRestartable<SimulatedSwap>(() => {
    const models = options.models?.map((model) =>
      orphaned.has(model.id) ? { ...model, fails: true } : model,
    );
    const run = createSimulatedSwap({ ...options, models: models ?? [] }, intercept, portNumbers);
    runs.add(run);
    return run;
  });
  const { requests, violations, count } = log;
  return Object.assign(swap, { faults, requests, violations, count, kill, stop, reload });

  /** Any question to a model loads it. */
  async function passOn(model: string, path: string): Promise<Answer> {
    await swap.request(model, { tokens: 1 });
    const answer = await fetch(`http://127.0.0.1:${swap.portOf(model)}${path}`);
    const type = answer.headers.get('content-type') ?? '';
    return { status: answer.status, type, body: await answer.text() };
  }

  async function kill(): Promise<void> {
    for (const run of runs) await run.close();
    for (const process of swap.models.filter((each) => each.isRunning())) {
      process.serving += 1; // It does not expire.
      orphaned.add(process.description.id);
    }
  }

  /** Ends it and all processes. */
  async function stop(): Promise<void> {
    orphaned.clear();
    for (const run of runs) await run.stop();
    runs.clear();
  }

  async function reload(changes: Partial<SwapSettings> = {}): Promise<void> {
    options = { ...options, ...changes };
    const old = swap.current;
    const next = swap.renew();
    old.stream.end();
    for (const process of old.models) void process.stop(RELOAD_SECONDS);
    await next.openPorts();
  }
}

/** How long a busy process is given to stop when the configuration is read again. */
const RELOAD_SECONDS = 30;

/** A simulated llama-swap that listens on a free port. The caller stops it. */
export async function startSimulatedSwap(options: TestSwapOptions = {}): Promise<TestSwap> {
  const swap = createTestSwap(options);
  await swap.listen();
  return swap;
}

interface Entry {
  readonly id: string;
  readonly status: { readonly value: string };
}

/** A list of models with the other names. */
function withOthers(
  answer: Served,
  { peers, selectors }: Pick<OtherNames, 'peers' | 'selectors'>,
  pins: readonly string[],
): Answer {
  const { data, object } = JSON.parse((answer as Answer).body) as { data: Entry[]; object: string };
  const isLoaded = (id: string) => data.find((each) => each.id === id)?.status.value === 'loaded';
  const entry = (id: string, value: boolean, llamaswap: object) => ({
    ...{ id, object: 'model', owned_by: 'llama-swap', meta: { llamaswap } },
    status: { value: value ? 'loaded' : 'unloaded' },
  });
  const others = [
    ...peerModels(peers).map(({ id, peerID }) => entry(id, false, { peerID, type: 'peer' })),
    ...Object.entries(selectors).map(([id, targets]) =>
      entry(id, targets.some(isLoaded), { strategy: 'warm', targets, type: 'selector' }),
    ),
    ...pins.map((id) => entry(id, false, { type: 'profile' })),
  ];
  return listing({ data: [...data, ...others].sort((a, b) => (a.id < b.id ? -1 : 1)), object });
}

function peerModels(peers: OtherNames['peers']): { id: string; peerID: string }[] {
  return Object.entries(peers).flatMap(([peerID, models]) =>
    models.map((model) => ({ id: `${peerID}/${model}`, peerID })),
  );
}

/** As `modelStatus` messages have it. */
function remoteModel({ id, peerID }: { id: string; peerID: string }): object {
  return { id, name: '', description: '', state: '', unlisted: false, peerID };
}

const unauthorized: Answer = swapError(401, 'unauthorized: invalid or missing API key');

/** As the real one: with `Authorization`, it does not look at `X-Api-Key`. */
function isAuthorized(headers: IncomingHttpHeaders, keys: readonly string[]): boolean {
  if (keys.length === 0) return true;
  const { authorization = '', 'x-api-key': own } = headers;
  const [, bearer] = /^bearer (.+)/i.exec(authorization) ?? [];
  const [, basic = ''] = /^basic (.+)/i.exec(authorization) ?? [];
  const [, password] = /^[^:]*:(.+)/.exec(Buffer.from(basic, 'base64').toString()) ?? [];
  const given = password ?? bearer ?? own;
  return typeof given === 'string' && keys.includes(given);
}
