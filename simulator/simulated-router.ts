import { type Clock, systemClock } from '../src/lib/clock.ts';
import { type DescribedModel, describeModel, type ModelDescription } from './description.ts';
import type { DownloadPlan } from './download.ts';
import type { RouterEvent } from './event.ts';
import { createFaults, type Faults } from './faults.ts';
import type { ListedModel } from './listed-model.ts';
import { createListing, type Shape } from './listing.ts';
import { createRequestLog, type RequestLog } from './request-log.ts';
import { createRoster, type LoadEnd, type Roster, type ServeEnd } from './roster.ts';
import { createRoutes, type Routes } from './routes.ts';
import { openServer, type RunningServer } from './server.ts';
import type { SimulatedModel } from './simulated-model.ts';
import { createSingleRoutes } from './single-routes.ts';
import { createEventStream, type EventStream } from './stream.ts';

export interface SimulatedRouterOptions {
  /** What lies in its models folder. Default: none. */
  readonly models?: readonly ModelDescription[];
  /** How many may have a process at once; 0 is no limit. Default 4. */
  readonly modelsMax?: number;
  /** Asked for by everything but `/health`. Default: none. */
  readonly apiKey?: string;
  /** Below or at 0, models never sleep. Default -1. */
  readonly sleepIdleSeconds?: number;
  /** How long a busy model is given before it is killed. Default 10. */
  readonly stopTimeoutSeconds?: number;
  /** How long an idle model takes to exit. Default 0.02. */
  readonly exitSeconds?: number;
  /** Requests a model serves at once. Default 4. */
  readonly slotsPerModel?: number;
  /** As `--metrics` does. Default true. */
  readonly metrics?: boolean;
  /** `false` is `--no-slots`. Default true. */
  readonly slots?: boolean;
  /** `false` is `--no-models-autoload`. Default true. */
  readonly autoload?: boolean;
  /** `false`: 404 on `/models/sse`, as builds of December 2025. Default: true, unless the shape says otherwise. */
  readonly eventStream?: boolean;
  readonly shape?: Shape;
  /** `single` is a llama-server with one model and no router. Default `router`. */
  readonly role?: 'router' | 'single';
  /** What `POST /models` downloads turn out to be. */
  readonly downloads?: DownloadPlan;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** A model's life has changed, and nobody has been told yet. */
  onChange?(): void;
}

/** A request for a model, as a client of the router would send it. */
export interface SimulatedRequest {
  /** Time of generating. Default: what `tokens` take. */
  readonly seconds?: number;
  /** Default 128. */
  readonly tokens?: number;
  /** Default 32. */
  readonly promptTokens?: number;
}

/** A llama.cpp router that behaves, or misbehaves on request. */
export interface SimulatedRouter {
  /** Throws before the first `listen`. */
  readonly url: string;
  /** Port 0, the default, is any free one; without a host, on loopback only. */
  listen(port?: number, host?: string): Promise<{ url: string }>;
  /** The router is killed: every connection breaks, every model is gone. Harmless when it is not running. */
  stop(): Promise<void>;
  /** Starts it again on the same port, with nothing loaded. */
  start(): Promise<void>;

  readonly models: readonly ListedModel[];
  /** By id or alias; throws when there is none. */
  model(name: string): SimulatedModel;
  load(name: string): Promise<LoadEnd>;
  unload(name: string): void;
  crash(name: string): void;
  /** Its next load fails. */
  failNextLoad(name: string): void;
  /** Loads the model if need be and resolves with what became of the request. */
  request(name: string, request?: SimulatedRequest): Promise<ServeEnd>;
  /** Puts a file into the models folder; the router sees it at the next rescan. */
  addModel(model: ModelDescription): void;
  /** Takes the file away; the router sees it at the next rescan. */
  removeModel(id: string): void;
  rescan(): Promise<void>;
  download(id: string, plan?: DownloadPlan): void;

  readonly faults: Faults;
  readonly stream: EventStream;
  readonly requests: RequestLog['requests'];
  readonly violations: RequestLog['violations'];
  /** How often the path was asked. */
  count(path: string): number;
}

export function createSimulatedRouter(options: SimulatedRouterOptions = {}): SimulatedRouter {
  const { clock = systemClock, random = Math.random, shape = 'current', downloads = {} } = options;
  const { modelsMax = 4, autoload = true, slotsPerModel = 4, sleepIdleSeconds = -1 } = options;
  const launch = { metrics: options.metrics ?? true, slots: options.slots ?? true, sleepIdleSeconds };
  const habits = {
    slots: slotsPerModel,
    stopTimeoutSeconds: options.stopTimeoutSeconds ?? 10,
    exitSeconds: options.exitSeconds ?? 0.02,
    sleepIdleSeconds,
  };
  const disk = new Map<string, DescribedModel>();
  const doomed = new Set<string>();
  const faults = createFaults();
  const log = createRequestLog();
  const stream = createEventStream();
  const tell = (event: RouterEvent) => {
    options.onChange?.();
    stream.send(event);
  };
  for (const model of options.models ?? []) disk.set(model.id, describeModel(model));

  const fails = (id: string) => doomed.delete(id) || disk.get(id)?.fails === true;
  let lifecycle = begin();
  let server: RunningServer | undefined;
  let port = 0;
  let host = '127.0.0.1';

  /** One run of the router's process: what it knows is gone when it is. */
  function begin(): { roster: Roster; routes: Routes } {
    const roster = createRoster({ habits, modelsMax, disk, fails, random }, clock, tell);
    const eventStream = options.eventStream ?? shape !== 'december-2025';
    const renderListing = createListing(shape, launch);
    const rules = { launch, modelsMax, autoload, eventStream, downloads, renderListing };
    const [only] = disk.values();
    if (options.role !== 'single') return { roster, routes: createRoutes(roster, rules, clock) };
    if (!only) throw new Error('a single-model server needs a model: give `models` one');
    return { roster, routes: createSingleRoutes(only, launch, slotsPerModel, clock) };
  }

  async function open(): Promise<void> {
    if (server) throw new Error(`the simulated router listens on port ${port} already`);
    const parts = { apiKey: options.apiKey, clock, faults, log, stream };
    const find = (name: string) => lifecycle.roster.find(name);
    server = await openServer({ port, host }, { ...parts, routes: () => lifecycle.routes, find });
    port = server.port;
  }

  function model(name: string): SimulatedModel {
    const found = lifecycle.roster.find(name);
    if (!found) throw new Error(`the simulated router has no model '${name}'`);
    return found;
  }

  const router: SimulatedRouter = {
    get url() {
      if (port === 0) throw new Error('the simulated router does not listen yet');
      return `http://127.0.0.1:${port}`;
    },
    async listen(wanted = 0, on = host) {
      [port, host] = [wanted, on];
      await open();
      return { url: router.url };
    },
    async stop() {
      const closing = server;
      server = undefined;
      await closing?.destroy();
      lifecycle.roster.vanish();
    },
    async start() {
      lifecycle = begin();
      await open();
    },

    get models() {
      return lifecycle.roster.all();
    },
    model,
    load: (name) => lifecycle.roster.load(name),
    unload: (name) => lifecycle.roster.downloading(name)?.cancel() ?? model(name).stop(),
    crash: (name) => model(name).crash(),
    failNextLoad: (name) => doomed.add(model(name).description.id),
    async request(name, { tokens = 128, promptTokens = 32, seconds } = {}) {
      const target = model(name);
      const { tokensPerSecond, promptTokensPerSecond } = target.description;
      const generation = {
        promptTokens,
        promptSeconds: seconds === undefined ? promptTokens / promptTokensPerSecond : 0,
        tokens,
        seconds: seconds ?? tokens / tokensPerSecond,
      };
      return lifecycle.roster.serve(target, generation, true);
    },
    addModel: (added) => disk.set(added.id, describeModel(added)),
    removeModel: (id) => disk.delete(id),
    rescan: () => lifecycle.roster.rescan(),
    download: (id, plan = downloads) => lifecycle.roster.download(id, plan),

    faults,
    stream,
    requests: log.requests,
    violations: log.violations,
    count: log.count,
  };
  return router;
}
