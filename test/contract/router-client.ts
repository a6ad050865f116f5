import type { RouterUnderTest } from './router-under-test.ts';

/** A router closes the connection after an answer of a model without announcing it. */
const ONE_ANSWER = { Connection: 'close' };

export interface Reply {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
}

export interface RouterEvent {
  readonly model: string;
  readonly event: string;
  readonly data?: { status?: string; exit_code?: number; progress?: { value: number }; info?: object };
}

/** A recorder of `/models/sse`. */
export interface Ears {
  readonly events: RouterEvent[];
  /** The unparsed stream. */
  readonly text: string;
  readonly ended: boolean;
  /** Resolves when such an event has arrived since the last `forget`. */
  heard(what: string, wanted: (event: RouterEvent) => boolean): Promise<void>;
  /** Resolves when the model's status has changed to this. */
  status(model: string, status: string): Promise<void>;
  forget(): void;
  close(): void;
}

export interface RouterClient {
  get(path: string, headers?: Record<string, string>): Promise<Reply>;
  post(path: string, body: unknown): Promise<Reply>;
  load(model: string): Promise<Reply>;
  unload(model: string): Promise<Reply>;
  /** Starts an endless generation and resolves when it runs; `reply` is its final answer. */
  occupy(model: string, metrics?: boolean): Promise<{ reply: Promise<Reply> }>;
  complete(model: string, tokens?: number): Promise<Reply>;
  listing(): Promise<{ id: string; status: { value: string; exit_code?: number; failed?: boolean } }[]>;
  status(model: string): Promise<string>;
  listen(): Promise<Ears>;
  /** Repeats the check until it is true. */
  until(what: string, ask: () => boolean | Promise<boolean>): Promise<void>;
}

/** A client of the router that uses only fetch. */
export function createRouterClient({ url }: RouterUnderTest, seconds: number, apiKey?: string): RouterClient {
  const key: Record<string, string> = apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` };

  const limit = () => AbortSignal.timeout(seconds * 1000);

  async function inTime(what: string, ask: () => Promise<Reply>): Promise<Reply> {
    try {
      return await ask();
    } catch (cause) {
      throw new Error(`${what} was not answered`, { cause });
    }
  }

  /** Retries once if the connection was closed. */
  async function get(path: string, headers: Record<string, string> = {}): Promise<Reply> {
    const ask = () => fetch(url + path, { headers: { ...key, ...ONE_ANSWER, ...headers }, signal: limit() });
    return inTime(`GET ${path}`, async () => replyOf(await ask().catch(ask)));
  }

  async function post(path: string, body: unknown): Promise<Reply> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const headers = { 'Content-Type': 'application/json', ...ONE_ANSWER, ...key };
    const sent = { method: 'POST', body: text, headers, signal: limit() };
    return inTime(`POST ${path} ${text}`, async () => replyOf(await fetch(url + path, sent)));
  }

  async function until(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + seconds * 1000;
    while (!(await ask())) {
      if (performance.now() > deadline) throw new Error(`waited ${seconds} s for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
  }

  const client: RouterClient = {
    get,
    post,
    until,
    load: (model) => post('/models/load', { model }),
    unload: (model) => post('/models/unload', { model }),
    async occupy(model) {
      const reply = client.complete(model, 1_000_000);
      reply.catch(() => {});
      await until(`${model} to be busy`, async () => {
        const { text } = await get(`/metrics?model=${model}&autoload=false`);
        return /^llamacpp:requests_processing [1-9]/m.test(text);
      });
      return { reply };
    },
    complete: (model, tokens = 1) =>
      post('/completion', { model, prompt: 'hello', n_predict: tokens, ignore_eos: true }),
    listing: async () => JSON.parse((await get('/models')).text).data,
    status: async (model) => (await client.listing()).find(({ id }) => id === model)?.status.value ?? 'none',
    async listen() {
      const hangUp = new AbortController();
      const answer = await fetch(`${url}/models/sse`, { headers: key, signal: hangUp.signal });
      const state = { text: '', ended: false, from: 0 };
      const events = () => parseEvents(state.text).slice(state.from);
      void (async () => {
        const decoder = new TextDecoder();
        try {
          for await (const chunk of answer.body ?? []) state.text += decoder.decode(chunk, { stream: true });
        } catch {
          // Broken off, by us or by the router.
        }
        state.ended = true;
      })();
      const ears: Ears = {
        get events() {
          return events();
        },
        get text() {
          return state.text;
        },
        get ended() {
          return state.ended;
        },
        heard: (what, wanted) => until(what, () => events().some(wanted)),
        status: (model, status) =>
          ears.heard(
            `${model} to be ${status}`,
            (event) =>
              event.event === 'status_change' && event.model === model && event.data?.status === status,
          ),
        forget() {
          state.from = parseEvents(state.text).length;
        },
        close: () => hangUp.abort(),
      };
      return ears;
    },
  };
  return client;
}

/** The complete events in a piece of an event stream. */
export function parseEvents(text: string): RouterEvent[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .filter((block) => block.trim() !== '')
    .map((block) => JSON.parse(block.trim().replace(/^data: /, '')));
}

async function replyOf(response: Response): Promise<Reply> {
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}
