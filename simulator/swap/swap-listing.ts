import type { DescribedSwapModel, SwapSettings } from './settings.ts';
import type { SwapProcess } from './swap-process.ts';

/** The models of `/running`: all that are not stopped. `portOf` is the port of a model. */
export function runningList(processes: readonly SwapProcess[], portOf: (id: string) => number): object {
  const running = processes.filter((process) => process.isRunning());
  return {
    running: running.map(({ description, state }) => {
      const port = portOf(description.id);
      return {
        model: description.id,
        state,
        cmd: commandOf(description, port),
        proxy: description.proxy ?? `http://127.0.0.1:${port}`,
        ttl: description.ttlSeconds,
        name: description.name,
        description: description.text,
      };
    }),
  };
}

export function commandOf({ command }: DescribedSwapModel, port: number): string {
  return command.replace(/\$\{PORT\}/g, String(port));
}

/** The data of a `modelStatus` message. */
export function modelStatus(processes: readonly SwapProcess[], { peers }: SwapSettings): object[] {
  const models = processes.map(({ description, state }) => ({
    id: description.id,
    name: description.name,
    description: description.text,
    state,
    unlisted: description.unlisted,
    peerID: '',
    aliases: description.aliases.length > 0 ? description.aliases : undefined,
  }));
  const remote = peerModels(peers).map(({ id, peer }) => ({
    id,
    name: '',
    description: '',
    state: '',
    unlisted: false,
    peerID: peer,
  }));
  return [...models, ...remote];
}

/**
 * `/v1/models`: besides models, everything that a client can name. `pins` are the names of the active profile;
 * `created` is in seconds since the epoch.
 */
export function modelList(
  processes: readonly SwapProcess[],
  { peers, selectors }: SwapSettings,
  pins: readonly string[],
  created: number,
): object {
  const entry = (id: string, isLoaded: boolean, llamaswap: object, name = '', description = '') => ({
    id,
    object: 'model',
    created,
    owned_by: 'llama-swap',
    name: name || undefined,
    description: description || undefined,
    meta: { llamaswap },
    status: { value: isLoaded ? 'loaded' : 'unloaded' },
  });
  const isLoaded = (id: string) => processes.some((each) => each.description.id === id && each.isRunning());
  const models = processes
    .filter(({ description }) => !description.unlisted)
    .map(({ description: { id, aliases, name, text } }) => {
      const meta = aliases.length > 0 ? { aliases, type: 'model' } : { type: 'model' };
      return entry(id, isLoaded(id), meta, name, text);
    });
  const data = [
    ...models,
    ...peerModels(peers).map(({ id, peer, model }) =>
      entry(id, false, { peerID: peer, type: 'peer' }, `${peer}: ${model}`),
    ),
    ...Object.entries(selectors).map(([id, targets]) =>
      entry(id, targets.some(isLoaded), { strategy: 'warm', targets, type: 'selector' }),
    ),
    ...pins.map((id) => entry(id, false, { type: 'profile' })),
  ];
  return { data: data.sort((a, b) => (a.id < b.id ? -1 : 1)), object: 'list' };
}

export function peerModels(peers: SwapSettings['peers']): { id: string; peer: string; model: string }[] {
  return Object.entries(peers).flatMap(([peer, models]) =>
    models.map((model) => ({ id: `${peer}/${model}`, peer, model })),
  );
}
