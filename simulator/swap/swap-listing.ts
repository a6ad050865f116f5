import { fileOf } from '../model-description.ts';
import type { DescribedSwapModel } from './settings.ts';
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

export function commandOf(model: DescribedSwapModel, port: number): string {
  return `/usr/bin/llama-server --host 127.0.0.1 --port ${port} -c ${model.contextTokens} --metrics -m ${fileOf(model)}`;
}

/** The data of a `modelStatus` message. */
export function modelStatus(processes: readonly SwapProcess[]): object[] {
  return processes.map(({ description, state }) => ({
    id: description.id,
    name: description.name,
    description: description.text,
    state,
    unlisted: description.unlisted,
    peerID: '',
    aliases: description.aliases.length > 0 ? description.aliases : undefined,
  }));
}

/** `/v1/models`. `created` is in seconds since the epoch. */
export function modelList(processes: readonly SwapProcess[], created: number): object {
  const listed = processes.filter(({ description }) => !description.unlisted);
  const data = listed.map(({ description: { id, aliases, name, text }, isRunning }) => ({
    id,
    object: 'model',
    created,
    owned_by: 'llama-swap',
    name: name || undefined,
    description: text || undefined,
    meta: { llamaswap: { aliases: aliases.length > 0 ? aliases : undefined, type: 'model' } },
    status: { value: isRunning() ? 'loaded' : 'unloaded' },
  }));
  return { data, object: 'list' };
}
