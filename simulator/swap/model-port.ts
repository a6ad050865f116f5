import { exposition, json, noMetrics, notFound } from '../answer.ts';
import { renderEngineMetrics } from '../engine-metrics.ts';
import { modelPropsAnswer, slotsAnswer } from '../model-answers.ts';
import { openServer, type RunningServer, type Served } from '../server.ts';
import { SLOTS } from './settings.ts';
import { loadingModel } from './swap-answers.ts';
import type { SwapProcess } from './swap-process.ts';

/** What a model's own llama-server answers. */
async function answerOfModel(process: SwapProcess, path: string): Promise<Served> {
  const { description, engine, state } = process;
  if (state === 'starting') return loadingModel;
  switch (path) {
    case '/health':
      return json({ status: 'ok' });
    case '/metrics':
      return description.metrics ? exposition(renderEngineMetrics(engine.read())) : noMetrics;
    case '/slots':
      return slotsAnswer(process, SLOTS);
    case '/props':
      return modelPropsAnswer({ description, status: 'loaded' }, SLOTS);
    default:
      return notFound;
  }
}

/** The port of a model: the same for every process of it, unless another program has taken it. */
export type ModelPort = ReturnType<typeof createModelPort>;

/** `first` is its number, 0: any free port. */
export function createModelPort(process: SwapProcess, first: number, host: string) {
  let port = first;
  let server: Promise<RunningServer> | undefined;
  return {
    get number() {
      return port;
    },
    /** Takes a free port. */
    async reserve(): Promise<void> {
      const taken = await listen();
      await taken.destroy();
    },
    /** Listens while a process runs: call it after each change. */
    follow(): void {
      const isListening = process.state === 'starting' || process.state === 'ready';
      if (isListening) server ??= listen();
      else void close();
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
      openServer(number, host, ({ path }, response) => {
        response.setHeader('Server', 'llama.cpp');
        return answerOfModel(process, path);
      });
    const opened = await open(port).catch(() => open(0));
    port = opened.port;
    return opened;
  }
}
