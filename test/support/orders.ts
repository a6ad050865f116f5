import { setTimeout as sleep } from 'node:timers/promises';
import { complete, oneAnswer, type RealRouter } from './real-router.ts';
import { until } from './until.ts';

/** Requests of tests to a router without the exporter, as from another client. */

type Reached = Pick<RealRouter, 'url'>;

/** Orders a load or unload; resolves when the router accepts it, before it is done. */
export async function order(router: Reached, what: 'load' | 'unload', model: string): Promise<void> {
  const answer = await fetch(`${router.url}/models/${what}`, {
    method: 'POST',
    body: JSON.stringify({ model }),
  });
  if (!answer.ok) throw new Error(`${what} ${model}: ${answer.status} ${await answer.text()}`);
  await answer.arrayBuffer();
}

/** The status of each model. */
export async function statusesOf(router: Reached): Promise<Record<string, string>> {
  const { data } = (await (await fetch(`${router.url}/models`)).json()) as {
    data: { id: string; status: { value: string } }[];
  };
  return Object.fromEntries(data.map(({ id, status }) => [id, status.value]));
}

/** The models that are not unloaded. */
export async function runningOn(router: Reached): Promise<string[]> {
  const all = Object.entries(await statusesOf(router));
  return all.flatMap(([model, status]) => (status === 'unloaded' ? [] : [model])).sort();
}

/** Loads models and resolves when all are loaded. */
export async function load(router: Reached, ...models: string[]): Promise<void> {
  for (const model of models) await order(router, 'load', model);
  await until(`${models.join(', ')} to be loaded`, async () => {
    const statuses = await statusesOf(router);
    return models.every((model) => statuses[model] === 'loaded');
  });
}

/**
 * Resolves when a model that has just been loaded hears an order to exit. A process that is ordered to within 2 ms of becoming
 * ready misses it (5 of 60 in the same millisecond, on b11669). It is killed after 10 s and ends like a crash.
 */
export const untilItHears = () => sleep(50);

/** Unloads all models and resolves when none is left. */
export async function empty(router: Reached): Promise<void> {
  for (const model of await runningOn(router)) await order(router, 'unload', model).catch(() => {});
  await until('everything to be unloaded', async () => (await runningOn(router)).length === 0);
}

/** Starts a generation and resolves when it runs; `answer` is the response of its client. */
export async function generate(
  router: RealRouter,
  model: string,
  tokens: number,
): Promise<{ answer: ReturnType<typeof complete> }> {
  const answer = complete(router, model, { tokens });
  answer.catch(() => {});
  await generates(router, model);
  return { answer };
}

/** A generation that lasts until the test ends it. */
export interface BusyModel {
  /** Ends the generation. Resolves to false if it had ended before, because its model was killed. */
  finish(): Promise<boolean>;
}

/**
 * Keeps a model generating, and resolves when it does. Its client takes a stream: the model stops when this client leaves, but
 * would not notice that another one does.
 */
export async function keepBusy(router: RealRouter, model: string): Promise<BusyModel> {
  const client = new AbortController();
  const lasted = complete(router, model, { tokens: 10_000_000, stream: true, signal: client.signal }).then(
    () => false,
    () => client.signal.aborted,
  );
  await generates(router, model);
  return {
    finish() {
      client.abort();
      return lasted;
    },
  };
}

function generates(router: RealRouter, model: string): Promise<boolean> {
  return until(`${model} to generate`, async () => {
    const slots = await fetch(`${router.url}/slots?model=${model}&autoload=false`, { headers: oneAnswer });
    return (await slots.text()).includes('"is_processing":true');
  });
}
