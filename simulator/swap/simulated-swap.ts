import { requestedGeneration, type SimulatedRequest } from '../model-answers.ts';
import { createListener, type Intercept } from '../server.ts';
import { createDispatch, createInFlight, type SwapRequestEnd } from './dispatch.ts';
import { createModelPort, type ModelPort } from './model-port.ts';
import { createScheduler } from './scheduler.ts';
import { DEFAULT_SWAP_SETTINGS, describeSwapModel, type SwapSettings } from './settings.ts';
import { createSwapEvents } from './swap-events.ts';
import { commandOf, modelStatus } from './swap-listing.ts';
import { createSwapProcess, type SwapProcess } from './swap-process.ts';
import { createSwapRoutes } from './swap-routes.ts';

/** A simulated llama-swap, with a llama-server for each of its loaded models. */
export type SimulatedSwap = ReturnType<typeof createSimulatedSwap>;

/** `portNumbers`: where models listen, if that is known. */
export function createSimulatedSwap(
  options: Partial<SwapSettings> = {},
  intercept: Intercept = (_request, _response, answer) => answer(),
  portNumbers = new Map<string, number>(),
) {
  const settings = { ...DEFAULT_SWAP_SETTINGS, ...options };
  const { clock, onChange, startPort } = settings;
  const ports = new Map<string, ModelPort>();
  const events = createSwapEvents({
    models: () => [...modelStatus(processes), ...settings.remoteModels],
    inFlight: () => inFlight.snapshot(),
  });
  const processes = settings.models
    .map(describeSwapModel)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((description) =>
      createSwapProcess(description, settings, () => {
        ports.get(description.id)?.follow();
        onChange();
        events.modelsChanged();
      }),
    );
  const inFlight = createInFlight(clock, events.inFlight);
  const scheduler = createScheduler(processes, settings.groups);
  const dispatch = createDispatch(clock, scheduler, inFlight, events);
  const routes = createSwapRoutes({ processes, scheduler, dispatch, events, find, portOf }, settings);
  const listener = createListener(routes, intercept);

  return {
    /** Meaningful after `listen`. */
    get url() {
      return listener.url();
    },
    async listen(port?: number, host?: string): Promise<{ url: string }> {
      await openPorts(host);
      return listener.listen(port, host);
    },
    /** Ends it and all processes: every connection breaks. Harmless when it does not run. */
    async stop(): Promise<void> {
      await listener.close();
      scheduler.end();
      for (const process of processes) process.crash();
      await Promise.all([...ports.values()].map((port) => port.close()));
    },
    /** Breaks every connection. Its models' processes stay. */
    close: listener.close,
    routes,
    openPorts,

    program: 'llama-swap',
    /** Of a model's process. */
    commandLine(name: string): readonly string[] {
      const { description } = model(name);
      return commandOf(description, portOf(description.id)).split(' ');
    },
    /** Ordered by id. */
    models: processes as readonly SwapProcess[],
    model,
    portOf,
    crash: (name: string): void => model(name).crash(),
    /** Unloads as its API does; resolves when they are gone. Default: all models. */
    unload: (...names: string[]): Promise<void> =>
      scheduler.unload(names.length > 0 ? names.map(model) : processes),
    /** Loads the model if needed and resolves with the end of the request. */
    request(name: string, wanted: SimulatedRequest = {}): Promise<SwapRequestEnd> {
      const target = model(name);
      const work = requestedGeneration(wanted, target.description);
      return dispatch.serve(target, work, '/v1/chat/completions');
    },
    stream: events.stream,
  };

  /** By id or alias. */
  function find(name: string): SwapProcess | undefined {
    return (
      processes.find(({ description }) => description.id === name) ??
      processes.find(({ description }) => description.aliases.includes(name))
    );
  }

  /** By id or alias; throws when there is none. */
  function model(name: string): SwapProcess {
    const found = find(name);
    if (!found) throw new Error(`the simulated llama-swap has no model '${name}'`);
    return found;
  }

  /** The port of a model; 0 before `listen`. */
  function portOf(id: string): number {
    return ports.get(id)?.number ?? 0;
  }

  /** Gives each model its port, which stays the same. */
  async function openPorts(host = '127.0.0.1'): Promise<void> {
    const opening = processes.map(async (process, index) => {
      const { id } = process.description;
      const first = portNumbers.get(id) ?? (startPort > 0 ? startPort + index : 0);
      const modelPort = createModelPort(process, first, host);
      if (first === 0) await modelPort.reserve();
      portNumbers.set(id, modelPort.number);
      ports.set(id, modelPort);
    });
    await Promise.all(opening);
  }
}
