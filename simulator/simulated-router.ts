import { createEventStream } from './event-stream.ts';
import { messageOf } from './events.ts';
import { requestedGeneration, type SimulatedRequest } from './model-answers.ts';
import { describeModel } from './model-description.ts';
import { createRoster, type LoadEnd, type ServeEnd } from './roster.ts';
import { createRoutes } from './routes.ts';
import { createListener, type Intercept } from './server.ts';
import { DEFAULT_SETTINGS, type RouterSettings } from './settings.ts';
import type { SimulatedModel } from './simulated-model.ts';

/** A simulated llama.cpp router. */
export type SimulatedRouter = ReturnType<typeof createSimulatedRouter>;

export function createSimulatedRouter(options: Partial<RouterSettings> = {}, intercept?: Intercept) {
  const settings = { ...DEFAULT_SETTINGS, ...options };
  const disk = new Map(settings.models.map((model) => [model.id, describeModel(model)]));
  const stream = createEventStream();
  const roster = createRoster(settings, disk, (event) => {
    settings.onChange(event);
    stream.write(messageOf(event));
  });
  const listener = createListener(createRoutes(roster, settings, stream), intercept, 'llama.cpp');

  return {
    /** Meaningful after `listen`. */
    get url() {
      return listener.url();
    },
    listen: listener.listen,
    /** Kills the router: every connection breaks, every model is gone. Harmless when it does not run. */
    async stop(): Promise<void> {
      await listener.close();
      roster.vanish();
    },

    program: 'llama-server',
    /** Of a model's process. */
    commandLine(name: string): readonly string[] {
      const { description, port: own } = model(name);
      return ['llama-server', '--port', String(own), '--alias', description.id];
    },
    get models() {
      return roster.all();
    },
    model,
    load: (name: string): Promise<LoadEnd> => roster.load(name),
    unload: (name: string): void => model(name).stop(),
    crash: (name: string): void => model(name).crash(),
    /** Loads the model if needed and resolves with the end of the request. */
    request(name: string, wanted: SimulatedRequest = {}): Promise<ServeEnd> {
      const target = model(name);
      return roster.serve(target, requestedGeneration(wanted, target.description), true);
    },
    /** The models folder. The router sees a change of it at the next rescan. */
    disk,
    stream,
  };

  /** By id or alias; throws when there is none. */
  function model(name: string): SimulatedModel {
    const found = roster.find(name);
    if (!found) throw new Error(`the simulated router has no model '${name}'`);
    return found;
  }
}
