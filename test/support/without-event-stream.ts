import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A proxy in front of a router that makes it a build without an event stream: 404 for `/models/sse`. */
export async function withoutEventStream(router: {
  readonly port: number;
}): Promise<{ url: string; stop(): void }> {
  const server = createServer((asked, answer) => {
    if (asked.url === '/models/sse') return answer.writeHead(404).end();
    const { url: path, method, headers } = asked;
    const passed = request({ port: router.port, path, method, headers, agent: false }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    return asked.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
