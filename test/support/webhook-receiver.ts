import { scriptHttp } from './scripted-server.ts';

/** A receiver in place of the exporter that keeps the body of each notification. */
export interface WebhookReceiver {
  readonly url: string;
  /** In the order of arrival. */
  readonly bodies: readonly string[];
  stop(): Promise<void>;
}

export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const bodies: string[] = [];
  const server = await scriptHttp(async (request, response) => {
    bodies.push(await textOf(request));
    response.writeHead(200).end();
  });
  return { url: server.url, bodies, stop: () => server.stop() };
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
