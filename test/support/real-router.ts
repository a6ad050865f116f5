import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programOf } from '../../tools/install-real-servers/llama-server-builds.mjs';
import { sidRoot } from '../../tools/install-real-servers/places.mjs';
import { buildUnderTest } from './build-under-test.ts';
import { freePort } from './free-port.ts';
import { byteToken } from './gguf.ts';
import { placeModel } from './model-files.ts';
import { childrenOf, isAlive } from './process-table.ts';
import { type RootedProcess, startRooted } from './rooted-process.ts';
import { makeRunFolder } from './run-folder.ts';
import { startSimulatedBuild } from './simulated-build.ts';
import { until } from './until.ts';

export interface RealRouterOptions {
  /**
   * Files to lie in the models folder, without `.gguf`. Names that begin with `mid` are 104 MB and slow, with
   * `broken` they fail to load, all others are tiny. Default: tiny-a, tiny-b, tiny-c, mid, broken.
   */
  readonly models?: readonly string[];
  readonly modelsMax?: number;
  readonly sleepIdleSeconds?: number;
  readonly apiKey?: string;
  /** Default true. */
  readonly metrics?: boolean;
  /** The text of a preset file. */
  readonly preset?: string;
  /** Not a router: it serves the first of its models alone. */
  readonly single?: boolean;
  /** More arguments of llama-server; the last one given wins. */
  readonly args?: readonly string[];
  readonly port?: number;
  /** Run in the PID namespace of this process; `pid` is then that of nsenter. */
  readonly pidNamespaceOf?: number;
}

/** A real llama-server in router mode, on loopback, with a models folder of its own. */
export interface RealRouter {
  readonly url: string;
  readonly port: number;
  /** Of the router itself; another one after `restart()`. */
  readonly pid: number;
  readonly apiKey: string | undefined;
  /** All that the router and its children printed since the start. */
  log(): string;
  /** The process that serves `model`, undefined when there is none. */
  childPid(model: string): number | undefined;
  /** Kills the model's process, as a crash would. Rejects when the model has none. */
  crash(model: string): Promise<void>;
  /** Puts a model's file into the folder; the router sees it when asked to rescan. */
  addModel(id: string): Promise<void>;
  /** Removes the file; a process that has mapped it continues. */
  removeModel(id: string): Promise<void>;
  /** `GET /models?reload=1`: the router looks at its folder again. */
  rescan(): Promise<void>;
  /** SIGKILL, as a machine's OOM killer would. Resolves when the router and its children are gone. */
  kill(): Promise<void>;
  /** Ends the router if it runs and starts it again: same port, same folder. */
  restart(): Promise<void>;
  /** Ends everything and removes the folder. Harmless when called twice. */
  stop(): Promise<void>;
}

const defaultModels = ['tiny-a', 'tiny-b', 'tiny-c', 'mid', 'broken'];

/** Starts a router and resolves when its `/health` answers; rejects with its log when it does not. */
export async function startRealRouter(options: RealRouterOptions = {}): Promise<RealRouter> {
  if (buildUnderTest.isSimulated) return startSimulatedBuild(options, options.models ?? defaultModels);
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const folder = makeRunFolder('router');
  const models = join(folder, 'models');
  mkdirSync(models);
  for (const id of options.models ?? defaultModels) placeModel(models, id);

  let lastLog = '';
  let running = await start().catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });

  async function start(): Promise<RootedProcess> {
    const { pidNamespaceOf } = options;
    const args = argumentsOf(options, port, models);
    const command = { ...llamaServer(), args, folders: [folder], pidNamespaceOf };
    const started = await startRooted(command, join(folder, 'router.log'));
    try {
      await until('llama-server to answer', () => !started.alive() || isHealthy(url));
      if (!started.alive()) throw new Error('llama-server ended at once');
    } catch (error) {
      await started.end('SIGKILL');
      throw new Error(`No router on port ${port}: ${String(error)}. It said:\n${started.log()}`, {
        cause: error,
      });
    }
    return started;
  }

  /** The children notice by themselves that the router is gone, within some 15 ms, busy or not. */
  async function end(signal: NodeJS.Signals): Promise<void> {
    const children = childrenOf(running.pid).map((child) => child.pid);
    await running.end(signal);
    await until('the models to end with their router', () => !children.some(isAlive));
  }

  const childPid = (model: string) =>
    childrenOf(running.pid).find(({ args }) => args[args.indexOf('--alias') + 1] === model)?.pid;

  return {
    url,
    port,
    apiKey: options.apiKey,
    get pid() {
      return running.pid;
    },
    log: () => lastLog || running.log(),
    childPid,
    async crash(model) {
      const pid = childPid(model);
      if (pid === undefined) throw new Error(`no process serves ${model}`);
      process.kill(pid, 'SIGKILL');
      await until(`${model} to be gone`, () => !isAlive(pid), { everyMs: 2 });
    },
    addModel: async (id) => placeModel(models, id),
    removeModel: async (id) => rmSync(join(models, `${id}.gguf`)),
    async rescan() {
      const answer = await fetch(`${url}/models?reload=1`, { headers: authorization(options.apiKey) });
      if (!answer.ok) throw new Error(`rescan: ${answer.status} ${await answer.text()}`);
      await answer.arrayBuffer();
    },
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM');
      running = await start();
    },
    async stop() {
      if (lastLog !== '') return;
      // A router that is asked kindly waits up to ten seconds for a busy model.
      await end('SIGKILL');
      lastLog = running.log() || '(nothing printed)';
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Headers for a question that the router passes on to a model: it closes the connection after the answer but does
 * not say so (b11669), and the next question on it would fail.
 */
export const oneAnswer = { Connection: 'close' };

/** Random bytes are no text, and b10092 and b10434 answer 500 to what is not UTF-8. */
const asciiOnly = Array.from({ length: 128 }, (_, index) => [byteToken(128 + index), false]);

/** What a completion came to. */
export interface Completion {
  readonly status: number;
  /** JSON, or text where the router answers in plain text. */
  readonly body: unknown;
  /** Tokens generated; undefined when the router answered with an error. */
  readonly tokens: number | undefined;
}

interface CompletionOptions {
  readonly tokens: number;
  readonly prompt?: string;
  readonly stream?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Has `model` generate exactly `tokens` tokens (or fail), loading it if need be. On one thread, a tiny model
 * makes some 5,000 a second and mid some 200: ten million keep a tiny one busy for as long as a test may want.
 */
export async function complete(
  router: Pick<RealRouter, 'url' | 'apiKey'>,
  model: string,
  { tokens, prompt = 'a', stream = false, signal }: CompletionOptions,
): Promise<Completion> {
  const answer = await fetch(`${router.url}/completion`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...oneAnswer, ...authorization(router.apiKey) },
    body: JSON.stringify({
      model,
      prompt,
      n_predict: tokens,
      ignore_eos: true,
      logit_bias: asciiOnly,
      stream,
    }),
    signal: signal ?? null,
  });
  const body = parsed(await answer.text());
  return { status: answer.status, body, tokens: (body as { tokens_predicted?: number }).tokens_predicted };
}

/** A request whose model is killed under it ends in plain text (`proxy error: …`), all others in JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The real llama-server of the tests, and the Debian root that it runs in. */
export function llamaServer(): { command: string; root?: string } {
  const own = process.env.LLAMA_SERVER_BIN;
  if (own) return { command: own };
  if (buildUnderTest.name !== 'sid') return { command: programOf(buildUnderTest) };
  return { command: 'llama-server', root: sidRoot };
}

function argumentsOf(options: RealRouterOptions, port: number, models: string): string[] {
  const args = ['--host', '127.0.0.1', '--port', String(port)];
  if (options.single) args.push('-m', join(models, `${options.models?.[0]}.gguf`));
  else args.push('--models-dir', models);
  if (options.preset !== undefined) {
    const file = join(models, 'preset.ini');
    writeFileSync(file, options.preset);
    args.push('--models-preset', file);
  }
  // With the context shift, 256 tokens of context do not end a completion: a model is busy for as long as asked.
  args.push('-c', '256', '--context-shift', '--threads', '1', '--no-webui', '--offline');
  if (options.modelsMax !== undefined) args.push('--models-max', String(options.modelsMax));
  if (options.sleepIdleSeconds !== undefined) {
    args.push('--sleep-idle-seconds', String(options.sleepIdleSeconds));
  }
  if (options.apiKey !== undefined) args.push('--api-key', options.apiKey);
  if (options.metrics !== false) args.push('--metrics');
  return [...args, ...(options.args ?? [])];
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health`)).ok;
  } catch {
    return false;
  }
}

function authorization(apiKey: string | undefined): Record<string, string> {
  return apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` };
}
