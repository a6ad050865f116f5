import { scriptHttp } from './scripted-server.ts';

/** The exporter's answer to one notification. */
export interface TappedAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  /** How long the exporter took. */
  readonly seconds: number;
}

/** A proxy between Alertmanager and the exporter that records the answers. */
export interface WebhookTap {
  /** The URL for Alertmanager. */
  readonly url: string;
  /** The answers since the last `passTo`, in order. */
  readonly answers: readonly TappedAnswer[];
  /** Forwards notifications to this exporter; undefined: closes their connections. */
  passTo(exporter: string | undefined): void;
  stop(): Promise<void>;
}

const PATH = '/api/v1/alertmanager';

/** The headers that are forwarded in both directions. */
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
