import { scriptHttp } from './scripted-server.ts';

/** What the exporter answered to one notification, as it went on to Alertmanager. */
export interface TappedAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  /** How long the exporter took. */
  readonly seconds: number;
}

/** Stands between Alertmanager and the exporter, passes on what both say, and keeps the answers. */
export interface WebhookTap {
  /** Where Alertmanager sends to. */
  readonly url: string;
  /** Since the last `passTo`, in the order in which they were given. */
  readonly answers: readonly TappedAnswer[];
  /** The exporter that notifications go to from now on; undefined: connections break. */
  passTo(exporter: string | undefined): void;
  stop(): Promise<void>;
}

const PATH = '/api/v1/alertmanager';

/** What matters of the headers, in either direction. */
const PASSED_ON = ['content-type', 'authorization', 'www-authenticate'];

export async function startWebhookTap(): Promise<WebhookTap> {
  const answers: TappedAnswer[] = [];
  let exporter: string | undefined;
  const server = await scriptHttp(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    try {
      if (exporter === undefined) throw new Error('no exporter');
      const startedAt = performance.now();
      const answer = await fetch(exporter + PATH, {
        method: request.method ?? '',
        headers: passedOn((name) => request.headers[name]?.toString()),
        body: Buffer.concat(chunks),
      });
      const text = await answer.text();
      const seconds = (performance.now() - startedAt) / 1000;
      answers.push({ status: answer.status, body: JSON.parse(text), seconds });
      response.writeHead(
        answer.status,
        passedOn((name) => answer.headers.get(name) ?? undefined),
      );
      response.end(text);
    } catch {
      request.socket.destroy();
    }
  });
  return {
    url: server.url + PATH,
    answers,
    passTo(url) {
      exporter = url;
      answers.length = 0;
    },
    stop: () => server.stop(),
  };
}

function passedOn(header: (name: string) => string | undefined): Record<string, string> {
  return Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      const value = header(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
