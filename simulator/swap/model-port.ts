import { exposition, json, noMetrics, notFound } from '../answer.ts';
import { renderEngineMetrics } from '../engine-metrics.ts';
import { modelPropsAnswer, slotsAnswer } from '../model-answers.ts';
import { openServer, type RunningServer, type Served } from '../server.ts';
import { loadingModel } from './swap-answers.ts';
import type { SwapProcess } from './swap-process.ts';

/** What a model's own llama-server answers. */
export async function answerOfModel(process: SwapProcess, path: string, slots: number): Promise<Served> {
  const { description, engine, state } = process;
  if (state === 'starting') return loadingModel;
  switch (path) {
    case '/health':
      return json({ status: 'ok' });
    case '/metrics':
      return description.metrics ? exposition(renderEngineMetrics(engine.read())) : noMetrics;
    case '/slots':
      return slotsAnswer(process, slots);
    case '/props':
      return modelPropsAnswer({ description, status: 'loaded' }, slots);
    default:
      return notFound;
  }
}

/** The port of a model: the same for every process of it, unless another program has taken it. */
export type ModelPort = ReturnType<typeof createModelPort>;

/** `first` is its number, 0: any free port. */
export function createModelPort(process: SwapProcess, first: number, host: string, slots: number) {
  let port = first;
  let server: Promise<RunningServer> | undefined;
  return {
    get number() {
      return port;
    },
    /** Takes a free port. */
    async reserve(): Promise<void> {
      const taken = await listen();
      port = taken.port;
      await taken.destroy();
    },
    /** Listens while a process runs: call it after each change. */
    follow(): void {
      const isListening = process.state === 'starting' || process.state === 'ready';
      if (isListening && !server) {
        server = listen().then((opened) => {
          port = opened.port;
          return opened;
        });
      } else if (!isListening) void close();
    },
    close,
  };

  async function close(): Promise<void> {
    const closing = server;
    server = undefined;
    await (await closing)?.destroy();
  }

  async function listen(): Promise<RunningServer> {
    const open = (number: number) =>
      openServer(number, host, {
        software: 'llama.cpp',
        intercept: (_request, _response, answer) => answer(),
        routes:
          () =>
          async ({ path }) =>
            process ? answerOfModel(process, path, slots) : notFound,
      });
    return open(port).catch(() => open(0));
  }
}
