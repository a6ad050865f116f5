import type { Reply } from './router-client.ts';
import type { SwapUnderTest } from './swap-under-test.ts';

/** A recorder of `/api/events`. */
export interface SwapEars {
  /** The types of the messages so far, without `logData`. */
  readonly types: string[];
  /** The first and the latest list of models. */
  readonly first: Record<string, unknown>[];
  readonly latest: Record<string, unknown>[];
  /** `model: from > to` since the last `forget`, by comparing each list with the one before. */
  readonly changes: string[];
  /** The models of the requests under way. */
  readonly inFlight: string[];
  /** Those of requests whose answer has begun. */
  readonly answering: string[];
  readonly ended: boolean;
  state(model: string): string;
  /** Resolves when the model is in this state. */
  becomes(model: string, state: string): Promise<void>;
  forget(): void;
  close(): void;
}

export interface SwapClient {
  get(path: string, headers?: Record<string, string>): Promise<Reply>;
  post(path: string, body?: unknown): Promise<Reply>;
  put(path: string, body: unknown): Promise<Reply>;
  unload(name: string): Promise<Reply>;
  /** Has the model generate this number of tokens. */
  complete(model: string, tokens?: number, stream?: boolean): Promise<Reply>;
  /** `model: state` of each model of `/running`. */
  running(): Promise<string[]>;
  /** Where the model's own process answers its metrics. */
  metricsUrl(model: string): Promise<string>;
  /** Resolves when the model generates. */
  untilGenerating(model: string): Promise<void>;
  listen(): Promise<SwapEars>;
  until(what: string, ask: () => boolean | Promise<boolean>): Promise<void>;
}

/** A client of llama-swap that uses only fetch. */
export function createSwapClient({ url }: SwapUnderTest, seconds: number): SwapClient {
  async function send(method: string, path: string, init: RequestInit = {}): Promise<Reply> {
    const limit = AbortSignal.timeout(seconds * 1000);
    const response = await fetch(url + path, { method, signal: limit, redirect: 'manual', ...init }).catch(
      (cause: unknown) => {
        throw new Error(`${method} ${path} was not answered`, { cause });
      },
    );
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      text: await response.text(),
    };
  }

  const withBody = (method: string) => (path: string, body: unknown) =>
    send(method, path, { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });

  async function until(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + seconds * 1000;
    while (!(await ask())) {
      if (performance.now() > deadline) throw new Error(`waited ${seconds} s for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
  }

  async function metricsUrl(model: string): Promise<string> {
    const { text } = await send('GET', '/running');
    const { running } = JSON.parse(text) as { running: { model: string; proxy: string }[] };
    return `${running.find((each) => each.model === model)?.proxy}/metrics`;
  }

  return {
    get: (path, headers = {}) => send('GET', path, { headers }),
    post: withBody('POST'),
    put: withBody('PUT'),
    unload: (name) => send('POST', `/api/models/unload/${encodeURIComponent(name)}`),
    complete: (model, tokens = 1, stream = false) =>
      withBody('POST')('/v1/completions', {
        model,
        prompt: 'hello',
        max_tokens: tokens,
        ignore_eos: true,
        stream,
      }),
    async running() {
      const { text } = await send('GET', '/running');
      const { running } = JSON.parse(text) as { running: { model: string; state: string }[] };
      return running.map(({ model, state }) => `${model}: ${state}`);
    },
    metricsUrl,
    async untilGenerating(model) {
      const metrics = await metricsUrl(model);
      await until(`${model} to generate`, async () =>
        /^llamacpp:requests_processing [1-9]/m.test(await (await fetch(metrics)).text()),
      );
    },
    listen: () => listen(url, until),
    until,
  };
}

async function listen(url: string, until: SwapClient['until']): Promise<SwapEars> {
  const hangUp = new AbortController();
  const answer = await fetch(`${url}/api/events`, { signal: hangUp.signal });
  const types: string[] = [];
  const lists: Record<string, unknown>[][] = [];
  const requests = new Map<string, InFlightRequest>();
  let changes: string[] = [];
  let ended = false;
  const stateOf = (list: Record<string, unknown>[] | undefined, id: unknown) =>
    String(list?.find((model) => model.id === id)?.state);

  function take(type: string, data: string): void {
    if (type === 'logData') return;
    types.push(type);
    const value = JSON.parse(data);
    if (type === 'inflight') takeInFlight(requests, value);
    if (type !== 'modelStatus') return;
    const before = lists.at(-1);
    lists.push(value);
    for (const { id, state } of before ? value : []) {
      const from = stateOf(before, id);
      if (from !== state) changes.push(`${id}: ${from} > ${state}`);
    }
  }

  void (async () => {
    const decoder = new TextDecoder();
    let text = '';
    try {
      for await (const chunk of answer.body ?? []) {
        text += decoder.decode(chunk, { stream: true });
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const { type, data } = JSON.parse(block.replace(/^event:message\ndata:/, ''));
          take(type, data);
        }
      }
    } catch {
      // Broken off, by us or by the server.
    }
    ended = true;
  })();
  await until('the first messages', () => types.includes('inflight'));
  return {
    types,
    get first() {
      return lists[0] ?? [];
    },
    get latest() {
      return lists.at(-1) ?? [];
    },
    get changes() {
      return changes;
    },
    get inFlight() {
      return [...requests.values()].map(({ model }) => model).sort();
    },
    get answering() {
      return [...requests.values()].filter((each) => each.resp_bytes > 0).map(({ model }) => model);
    },
    get ended() {
      return ended;
    },
    state: (model) => stateOf(lists.at(-1), model),
    becomes: (model, state) => until(`${model} to be ${state}`, () => stateOf(lists.at(-1), model) === state),
    forget() {
      changes = [];
    },
    close: () => hangUp.abort(),
  };
}

interface InFlightRequest {
  id: string;
  model: string;
  resp_bytes: number;
}

interface InFlightMessage {
  operation: string;
  id: string;
  request: InFlightRequest;
  requests?: InFlightRequest[];
}

function takeInFlight(
  known: Map<string, InFlightRequest>,
  { operation, id, request, requests }: InFlightMessage,
): void {
  if (operation === 'snapshot') known.clear();
  for (const each of requests ?? []) known.set(each.id, each);
  if (operation === 'upsert') known.set(request.id, request);
  if (operation === 'remove') known.delete(id);
}
