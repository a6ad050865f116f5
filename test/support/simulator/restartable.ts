import { setTimeout as sleep } from 'node:timers/promises';
import { describeModel, type ModelDescription } from '../../../simulator/model-description.ts';
import type { Intercept } from '../../../simulator/server.ts';
import type { RouterSettings } from '../../../simulator/settings.ts';
import { createSimulatedRouter, type SimulatedRouter } from '../../../simulator/simulated-router.ts';

/** How long a server waits for its own port when it starts again. */
const PATIENCE_MS = 30_000;

interface Run {
  readonly url: string;
  listen(port?: number, host?: string): Promise<{ url: string }>;
}

/** A server with everything that its current run has: the state of a server ends with its run. */
export type Restartable<Server extends Run> = Omit<Server, 'url'> & {
  readonly url: string;
  /** Starts it again on the same port, with nothing loaded. */
  start(): Promise<void>;
};

/** `begin` makes a run; it gets the one before. */
export function createRestartable<Server extends Run>(
  begin: (before?: Server) => Server,
): Restartable<Server> & { readonly current: Server; renew(): Server } {
  let current = begin();
  let url = '';
  let host: string | undefined;
  const own = {
    get current() {
      return current;
    },
    get url() {
      return url;
    },
    async listen(port?: number, on?: string): Promise<{ url: string }> {
      host = on;
      ({ url } = await current.listen(port, on));
      return { url };
    },
    /** Makes the next run the current one, without listening. */
    renew(): Server {
      current = begin(current);
      return current;
    },
    async start(): Promise<void> {
      own.renew();
      const deadline = performance.now() + PATIENCE_MS;
      for (;;) {
        try {
          await current.listen(Number(new URL(url).port), host);
          return;
        } catch (error) {
          // While it was closed, an outgoing connection of another program may have been given its port.
          const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
          if (performance.now() > deadline || !isTaken) throw error;
          await sleep(20);
        }
      }
    },
  };
  return new Proxy(own, {
    get: (_, key) => (key in own ? Reflect.get(own, key) : Reflect.get(current, key)),
  }) as never;
}

export interface RestartableRouter extends Restartable<SimulatedRouter> {
  /** Adds a file to the models folder; the router sees it at the next rescan. */
  addModel(added: ModelDescription): void;
  /** Removes the file; the router sees it at the next rescan. */
  removeModel(id: string): void;
}

/** A simulated router that can start again, with the models folder that it had. */
export function createRestartableRouter(
  options: Partial<RouterSettings> = {},
  intercept?: Intercept,
): RestartableRouter {
  const router = createRestartable<SimulatedRouter>((before) => {
    const models = before ? [...before.disk.values()] : (options.models ?? []);
    return createSimulatedRouter({ ...options, models }, intercept);
  });
  return Object.assign(router, {
    addModel: (added: ModelDescription) => void router.disk.set(added.id, describeModel(added)),
    removeModel: (id: string) => void router.disk.delete(id),
  });
}
