import { requestedGeneration, type SimulatedRequest } from '../model-answers.ts';
import { createAddress, type Intercept, openServer } from '../server.ts';
import { createDispatch, createInFlight, type SwapRequestEnd } from './dispatch.ts';
import { createModelPort, type ModelPort } from './model-port.ts';
import { createScheduler } from './scheduler.ts';
import { DEFAULT_SWAP_SETTINGS, describeSwapModel, type SwapSettings } from './settings.ts';
import { createSwapEvents } from './swap-events.ts';
import { commandOf, modelStatus } from './swap-listing.ts';
import { createSwapProcess, type SwapProcess } from './swap-process.ts';
import { createSwapRoutes } from './swap-routes.ts';

/** How long a busy process is given to stop when the configuration is read again. */
const RELOAD_SECONDS = 30;

/** A simulated llama-swap, with a llama-server for each of its loaded models. */
export type SimulatedSwap = ReturnType<typeof createSimulatedSwap>;

export function createSimulatedSwap(
  options: Partial<SwapSettings> = {},
  intercept: Intercept = (_request, _response, answer) => answer(),
) {
  let settings = { ...DEFAULT_SWAP_SETTINGS, ...options };
  /** Models whose processes outlived their llama-swap. */
  const orphaned = new Set<string>();
  const portNumbers = new Map<string, number>();
  const runs = new Set<ReturnType<typeof begin>>();
  let run = begin();
  const address = createAddress(async (port, host) => {
    await openPorts(host);
    return openServer(port, host, (request, response) =>
      intercept(request, response, () => run.routes(request)),
    );
  });

  return {
    /** Meaningful after the first `listen`. */
    get url() {
      return address.url();
    },
    listen: address.listen,
    /** Kills it: every connection breaks. Its models' processes stay, and these models cannot be started again. */
    async kill(): Promise<void> {
      await address.close();
      for (const process of run.processes.filter((each) => each.isRunning())) {
        process.abandon();
        orphaned.add(process.description.id);
      }
    },
    /** Ends it and all processes: every connection breaks. Harmless when it does not run. */
    async stop(): Promise<void> {
      await address.close();
      orphaned.clear();
      const ended = [...runs];
      runs.clear();
      for (const { scheduler, processes } of ended) {
        scheduler.end();
        for (const process of processes) process.crash();
      }
      const ports = ended.flatMap((each) => [...each.ports.values()]);
      await Promise.all(ports.map((each) => each.close()));
    },
    /** Starts it again on the same port, with nothing loaded. */
    async start(): Promise<void> {
      run = begin();
      await address.listen();
    },
    /** Reads its configuration again, changed by `changes`: streams end, nothing is loaded, busy processes end later. */
    async reload(changes: Partial<SwapSettings> = {}): Promise<void> {
      const old = run;
      settings = { ...settings, ...changes };
      run = begin();
      old.events.stream.end();
      for (const process of old.processes) void process.stop(RELOAD_SECONDS);
      await openPorts(address.host());
    },

    program: 'llama-swap',
    /** Of a model's process. */
    commandLine(name: string): readonly string[] {
      const { description } = model(name);
      return commandOf(description, portOf(description.id)).split(' ');
    },
    /** Ordered by id. */
    get models(): readonly SwapProcess[] {
      return run.processes;
    },
    model,
    /** The port of a model; 0 before the first `listen`. */
    portOf: (name: string) => portOf(model(name).description.id),
    crash: (name: string): void => model(name).crash(),
    /** Unloads as its API does; resolves when they are gone. Default: all models. */
    unload: (...names: string[]): Promise<void> =>
      run.scheduler.unload(names.length > 0 ? names.map(model) : run.processes),
    /** Loads the model if needed and resolves with the end of the request. */
    request(name: string, wanted: SimulatedRequest = {}): Promise<SwapRequestEnd> {
      const target = model(name);
      const work = requestedGeneration(wanted, target.description);
      return run.dispatch.serve(target, work, '/v1/chat/completions');
    },
  };

  /** By id or alias; throws when there is none. */
  function model(name: string): SwapProcess {
    const found = run.find(name);
    if (!found) throw new Error(`the simulated llama-swap has no model '${name}'`);
    return found;
  }

  /** One reading of its configuration: its state ends with it. */
  function begin() {
    const { clock } = settings;
    const ports = new Map<string, ModelPort>();
    const events = createSwapEvents({
      models: () => [...modelStatus(processes), ...settings.remoteModels],
      inFlight: () => inFlight.snapshot(),
    });
    const processes = settings.models
      .map((model) => describeSwapModel(orphaned.has(model.id) ? { ...model, fails: true } : model))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((description) =>
        createSwapProcess(description, settings, () => {
          ports.get(description.id)?.follow();
          settings.onChange();
          run.events.modelsChanged();
        }),
      );
    const inFlight = createInFlight(clock, events.inFlight);
    const scheduler = createScheduler(processes, settings.groups);
    const dispatch = createDispatch(clock, scheduler, inFlight, events);
    const find = (name: string) =>
      processes.find(({ description }) => description.id === name) ??
      processes.find(({ description }) => description.aliases.includes(name));
    const parts = { processes, scheduler, dispatch, events, find, portOf };
    const begun = { ...parts, ports, routes: createSwapRoutes(parts, settings) };
    runs.add(begun);
    return begun;
  }

  function portOf(id: string): number {
    return run.ports.get(id)?.number ?? 0;
  }

  /** Gives each model its port, which stays the same. */
  async function openPorts(host: string): Promise<void> {
    const { startPort } = settings;
    const opening = run.processes.map(async (process, index) => {
      const { id } = process.description;
      const first = portNumbers.get(id) ?? (startPort > 0 ? startPort + index : 0);
      const modelPort = createModelPort(process, first, host);
      if (first === 0) await modelPort.reserve();
      portNumbers.set(id, modelPort.number);
      run.ports.set(id, modelPort);
    });
    await Promise.all(opening);
  }
}
