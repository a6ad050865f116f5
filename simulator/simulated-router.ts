import { type Clock, systemClock } from '../src/lib/clock.ts';
import { createEventStream, type EventStream } from './events.ts';
import { createListing } from './listing.ts';
import { type DescribedModel, describeModel, type ModelDescription } from './model-description.ts';
import { createRoster, type LoadEnd, type ServeEnd } from './roster.ts';
import { createRoutes } from './routes.ts';
import { type Intercept, openServer, type RunningServer } from './server.ts';
import type { SimulatedListing, SimulatedModel } from './simulated-model.ts';

export interface SimulatedRouterOptions {
  /** The models folder. Default: empty. */
  readonly models?: readonly ModelDescription[] | undefined;
  /** How many may have a process; 0: no limit. Default 4. */
  readonly modelsMax?: number | undefined;
  /** 0 or less: models never sleep. Default -1. */
  readonly sleepIdleSeconds?: number | undefined;
  /** How long a busy model is given before it is killed. Default 10. */
  readonly stopTimeoutSeconds?: number | undefined;
  /** How long an idle model takes to exit. Default 0.02. */
  readonly exitSeconds?: number | undefined;
  /** Requests a model serves at once. Default 4. */
  readonly slotsPerModel?: number | undefined;
  /** `--metrics`. Default true. */
  readonly metrics?: boolean | undefined;
  /** `false` is `--no-slots`. Default true. */
  readonly slots?: boolean | undefined;
  /** `false` is `--no-models-autoload`. Default true. */
  readonly autoload?: boolean | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  /** Called when a model changes, before the event is sent. */
  readonly onChange?: (() => void) | undefined;
  readonly intercept?: Intercept | undefined;
}

/** A request for a model, as a client of the router sends it. */
export interface SimulatedRequest {
  /** Time of generating. Default: what `tokens` take. */
  readonly seconds?: number;
  /** Default 128. */
  readonly tokens?: number;
  /** Default 32. */
  readonly promptTokens?: number;
}

/** A simulated llama.cpp router. */
export interface SimulatedRouter {
  /** Throws before the first `listen`. */
  readonly url: string;
  /** Port 0, the default, is any free port; the default host is loopback. */
  listen(port?: number, host?: string): Promise<{ url: string }>;
  /** Kills the router: every connection breaks, every model is gone. Harmless when it does not run. */
  stop(): Promise<void>;
  /** Starts it again on the same port, with nothing loaded. */
  start(): Promise<void>;

  readonly models: readonly SimulatedListing[];
  /** By id or alias; throws when there is none. */
  model(name: string): SimulatedModel;
  load(name: string): Promise<LoadEnd>;
  unload(name: string): void;
  crash(name: string): void;
  /** Its next load fails. */
  failNextLoad(name: string): void;
  /** Loads the model if needed and resolves with the end of the request. */
  request(name: string, request?: SimulatedRequest): Promise<ServeEnd>;
  /** Adds a file to the models folder; the router sees it at the next rescan. */
  addModel(model: ModelDescription): void;
  /** Removes the file; the router sees it at the next rescan. */
  removeModel(id: string): void;
  rescan(): Promise<void>;
  readonly stream: EventStream;
}

export function createSimulatedRouter(options: SimulatedRouterOptions = {}): SimulatedRouter {
  const { clock = systemClock, random = Math.random } = options;
  const { modelsMax = 4, autoload = true, sleepIdleSeconds = -1 } = options;
  const launch = { metrics: options.metrics ?? true, slots: options.slots ?? true, sleepIdleSeconds };
  const timing = {
    slots: options.slotsPerModel ?? 4,
    stopTimeoutSeconds: options.stopTimeoutSeconds ?? 10,
    exitSeconds: options.exitSeconds ?? 0.02,
    sleepIdleSeconds,
  };
  const disk = new Map<string, DescribedModel>();
  for (const model of options.models ?? []) disk.set(model.id, describeModel(model));
  const failing = new Set<string>();
  const stream = createEventStream();
  let run = begin();
  let server: RunningServer | undefined;
  let port = 0;
  let host = '127.0.0.1';

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
      run.roster.vanish();
    },
    async start() {
      run = begin();
      await open();
    },

    get models() {
      return run.roster.all();
    },
    model(name) {
      const found = run.roster.find(name);
      if (!found) throw new Error(`the simulated router has no model '${name}'`);
      return found;
    },
    load: (name) => run.roster.load(name),
    unload: (name) => router.model(name).stop(),
    crash: (name) => router.model(name).crash(),
    failNextLoad: (name) => failing.add(router.model(name).description.id),
    request(name, { tokens = 128, promptTokens = 32, seconds } = {}) {
      const target = router.model(name);
      const { tokensPerSecond, promptTokensPerSecond } = target.description;
      const generation = {
        promptTokens,
        promptSeconds: seconds === undefined ? promptTokens / promptTokensPerSecond : 0,
        tokens,
        seconds: seconds ?? tokens / tokensPerSecond,
      };
      return run.roster.serve(target, generation, true);
    },
    addModel: (added) => disk.set(added.id, describeModel(added)),
    removeModel: (id) => disk.delete(id),
    rescan: () => run.roster.rescan(),
    stream,
  };
  return router;

  /** One run of the router's process: its state ends with it. */
  function begin() {
    const fails = (id: string) => failing.delete(id) || disk.get(id)?.fails === true;
    const roster = createRoster({ timing, modelsMax, disk, fails, random }, clock, (event) => {
      options.onChange?.();
      stream.send(event);
    });
    const renderListing = createListing(launch);
    return { roster, routes: createRoutes(roster, { launch, modelsMax, autoload, renderListing }, clock) };
  }

  async function open(): Promise<void> {
    if (server) throw new Error(`the simulated router listens on port ${port} already`);
    const { intercept } = options;
    server = await openServer({ port, host }, { intercept, stream, routes: () => run.routes });
    port = server.port;
  }
}
