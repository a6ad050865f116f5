import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SwapModelDescription, SwapSettings } from '../../simulator/swap/settings.ts';
import { freePort } from './free-port.ts';
import { placeModel } from './model-files.ts';
import { childrenOf, isAlive, type ProcessEntry } from './process-table.ts';
import { llamaServer } from './real-router.ts';
import { startRooted } from './rooted-process.ts';
import { makeRunFolder } from './run-folder.ts';
import type { OtherNames } from './simulator/test-swap.ts';
import { until } from './until.ts';

export interface RealSwapModel
  extends Pick<
    SwapModelDescription,
    'id' | 'aliases' | 'ttlSeconds' | 'unlisted' | 'name' | 'text' | 'unloadTimeoutSeconds'
  > {
  /** What its file is like, see `placeModel`. Default tiny. */
  readonly file?: 'tiny' | 'mid' | 'broken';
  /** Made from the command line of a llama-server with its file on its port. Default: that one. */
  readonly command?: (server: string) => string;
}

export interface RealSwapOptions extends Partial<Pick<SwapSettings, 'groups'>>, Partial<OtherNames> {
  readonly models: readonly RealSwapModel[];
  readonly apiKeys?: readonly string[];
}

/** These models with real files: `mid…` generate slowly, `broken` fails to load, `endless` never finishes to. */
export function withFiles<Model extends Pick<RealSwapModel, 'id'>>(models: readonly Model[]) {
  return models.map(
    (model) =>
      ({
        ...model,
        file: model.id.startsWith('mid') ? 'mid' : model.id === 'broken' ? 'broken' : 'tiny',
        command: (server: string) => (model.id === 'endless' ? 'sleep 300' : server),
      }) as const,
  );
}

/** A real llama-swap on loopback, with real llama-servers below it. */
export interface RealSwap {
  readonly url: string;
  readonly port: number;
  /** Of llama-swap itself; another one after `restart()`. */
  readonly pid: number;
  /** All that llama-swap printed since the start. */
  log(): string;
  /** The process that llama-swap started for a model, undefined when there is none. */
  childPid(model: string): number | undefined;
  /** SIGKILL of a model's process. Rejects when the model has none. */
  crash(model: string): Promise<void>;
  /** The same with SIGTERM. */
  terminate(model: string): Promise<void>;
  /** Has it read its configuration again, as SIGHUP does. */
  reload(): Promise<void>;
  /** SIGKILL. The models' processes stay: returns them. */
  kill(): Promise<ProcessEntry[]>;
  /** Starts it again: same ports, same configuration. */
  start(): Promise<void>;
  /** Ends it as SIGTERM does, orphans of an earlier kill too, and starts it again. */
  restart(): Promise<void>;
  /** Ends everything and removes the folder. */
  stop(): Promise<void>;
}

/** Starts a llama-swap and resolves when its `/health` answers; rejects with its log when it does not. */
export async function startRealSwap(options: RealSwapOptions): Promise<RealSwap> {
  const program = llamaSwap();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const { command: server, root } = llamaServer();
  const folder = makeRunFolder('swap');
  const ports = await layFiles(folder, options, server);
  const orphans = new Set<number>();

  async function start() {
    const args = ['--config', join(folder, 'config.yaml'), '--listen', `127.0.0.1:${port}`];
    const folders = [folder, dirname(program)];
    const command =
      root === undefined ? { command: program, args } : { command: program, args, root, folders };
    const started = await startRooted(command, join(folder, 'llama-swap.log'));
    try {
      await until('llama-swap to answer', () => !started.alive() || isHealthy(url));
      if (!started.alive()) throw new Error('llama-swap ended at once');
    } catch (cause) {
      await started.end('SIGKILL');
      throw new Error(`No llama-swap on port ${port}: ${String(cause)}. It said:\n${started.log()}`, {
        cause,
      });
    }
    return started;
  }

  let running = await start().catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });

  function childPid(model: string): number | undefined {
    const words = ['--port', String(ports.get(model))].join(' ');
    return childrenOf(running.pid).find(({ args }) => args.join(' ').includes(words))?.pid;
  }

  async function endChild(model: string, signal: NodeJS.Signals): Promise<void> {
    const pid = childPid(model);
    if (pid === undefined) throw new Error(`no process serves ${model}`);
    process.kill(pid, signal);
    await until(`${model} to be gone`, () => !isAlive(pid), { everyMs: 2 });
  }

  async function kill(): Promise<ProcessEntry[]> {
    const children = childrenOf(running.pid);
    for (const { pid } of children) orphans.add(pid);
    await running.end('SIGKILL');
    return children.filter(({ pid }) => isAlive(pid));
  }

  /** Its models' processes outlive it. */
  async function end(): Promise<void> {
    await kill();
    for (const pid of orphans) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await until('the models to end', () => ![...orphans].some(isAlive));
    orphans.clear();
  }

  return {
    url,
    port,
    get pid() {
      return running.pid;
    },
    log: () => running.log(),
    childPid,
    crash: (model) => endChild(model, 'SIGKILL'),
    terminate: (model) => endChild(model, 'SIGTERM'),
    async reload() {
      process.kill(running.pid, 'SIGHUP');
    },
    kill,
    async start() {
      running = await start();
    },
    async restart() {
      await running.end('SIGTERM', 15_000);
      await end();
      running = await start();
    },
    async stop() {
      await end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function llamaSwap(): string {
  const program = process.env.LLAMA_SWAP_BIN;
  if (program) return program;
  throw new Error('Set LLAMA_SWAP_BIN to the path of a llama-swap program, version 240 or newer.');
}

/** Writes configuration and models' files, and returns the models' ports. */
async function layFiles(
  folder: string,
  { models, groups, peers, selectors, profiles, apiKeys }: RealSwapOptions,
  server: string,
): Promise<Map<string, number>> {
  mkdirSync(join(folder, 'models'));
  const ports = new Map<string, number>();
  const entries: [string, object][] = [];
  for (const [index, model] of models.entries()) {
    const name = `${model.file ?? 'tiny'}-${index}`;
    placeModel(join(folder, 'models'), name);
    const port = await freePort();
    ports.set(model.id, port);
    entries.push([model.id, modelEntry(model, port, server, join(folder, 'models', `${name}.gguf`))]);
  }
  const config = {
    logLevel: 'info',
    models: Object.fromEntries(entries),
    groups: mapped(groups, ({ swap = true, exclusive = true, persistent = false, members }) => {
      return { swap, exclusive, persistent, members };
    }),
    peers: mapped(peers, (names) => ({ proxy: 'http://127.0.0.1:9', models: names })),
    selectors: mapped(selectors, (targets) => ({ strategy: 'warm', targets })),
    profiles: mapped(profiles, (pins) => ({ pins })),
    apiKeys: apiKeys ?? [],
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
  return ports;
}

function modelEntry(model: RealSwapModel, port: number, server: string, file: string): object {
  // With the context shift, 256 tokens of context do not end a completion: a model is busy for as long as asked.
  const shape = '-c 256 --context-shift --threads 1 --no-webui --offline';
  const own = `${server} --host 127.0.0.1 --port ${port} --metrics ${shape} -m ${file}`;
  return {
    cmd: model.command?.(own) ?? own,
    proxy: `http://127.0.0.1:${port}`,
    aliases: model.aliases ?? [],
    ttl: model.ttlSeconds ?? 0,
    unlisted: model.unlisted ?? false,
    name: model.name ?? '',
    description: model.text ?? '',
    unloadTimeout: model.unloadTimeoutSeconds ?? 10,
  };
}

function mapped<T>(given: Readonly<Record<string, T>> = {}, change: (value: T) => object): object {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, change(value)]));
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health`)).ok;
  } catch {
    return false;
  }
}
