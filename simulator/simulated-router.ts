import { createEventStream } from './event-stream.ts';
import { messageOf } from './events.ts';
import { requestedGeneration, type SimulatedRequest } from './model-answers.ts';
import { describeModel, type ModelDescription } from './model-description.ts';
import { createRoster, type LoadEnd, type ServeEnd } from './roster.ts';
import { createRoutes } from './routes.ts';
import { createAddress, type Intercept, openServer } from './server.ts';
import { DEFAULT_SETTINGS, type RouterSettings } from './settings.ts';
import type { SimulatedModel } from './simulated-model.ts';

/** A simulated llama.cpp router. */
export type SimulatedRouter = ReturnType<typeof createSimulatedRouter>;

export function createSimulatedRouter(
  options: Partial<RouterSettings> = {},
  intercept: Intercept = (_request, _response, answer) => answer(),
) {
  const settings = { ...DEFAULT_SETTINGS, ...options };
  const disk = new Map(settings.models.map((model) => [model.id, describeModel(model)]));
  const stream = createEventStream();
  let run = begin();
  const address = createAddress((port, host) =>
    openServer(port, host, (request, response) => {
      response.setHeader('Server', 'llama.cpp');
      return intercept(request, response, () => run.routes(request));
    }),
  );

  return {
    /** Meaningful after the first `listen`. */
    get url() {
      return address.url();
    },
    listen: address.listen,
    /** Kills the router: every connection breaks, every model is gone. Harmless when it does not run. */
    async stop(): Promise<void> {
      await address.close();
      run.roster.vanish();
    },
    /** Starts it again on the same port, with nothing loaded. */
    async start(): Promise<void> {
      run = begin();
      await address.listen();
    },

    program: 'llama-server',
    /** Of a model's process. */
    commandLine(name: string): readonly string[] {
      const { description, port: own } = model(name);
      return ['llama-server', '--port', String(own), '--alias', description.id];
    },
    get models() {
      return run.roster.all();
    },
    model,
    load: (name: string): Promise<LoadEnd> => run.roster.load(name),
    unload: (name: string): void => model(name).stop(),
    crash: (name: string): void => model(name).crash(),
    /** Loads the model if needed and resolves with the end of the request. */
    request(name: string, wanted: SimulatedRequest = {}): Promise<ServeEnd> {
      const target = model(name);
      return run.roster.serve(target, requestedGeneration(wanted, target.description), true);
    },
    /** Adds a file to the models folder; the router sees it at the next rescan. */
    addModel(added: ModelDescription): void {
      disk.set(added.id, describeModel(added));
    },
    /** Removes the file; the router sees it at the next rescan. */
    removeModel(id: string): void {
      disk.delete(id);
    },
    stream,
  };

  /** By id or alias; throws when there is none. */
  function model(name: string): SimulatedModel {
    const found = run.roster.find(name);
    if (!found) throw new Error(`the simulated router has no model '${name}'`);
    return found;
  }

  /** One run of the router's process: its state ends with it. */
  function begin() {
    const roster = createRoster(settings, disk, (event) => {
      settings.onChange(event);
      stream.write(messageOf(event));
    });
    return { roster, routes: createRoutes(roster, settings, stream) };
  }
}
