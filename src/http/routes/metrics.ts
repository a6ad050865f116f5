import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzip } from 'node:zlib';
import { negotiateFormat } from '../../metrics/negotiate.ts';
import { CONTENT_TYPES, type Exposition, type Format } from '../../metrics/render.ts';

/** A scrape waits no longer than this for anything, whatever its timeout. */
const MOST_MS = 1000;

/** `GET /metrics`: in the format and encoding that the scraper asks for. */
export function metricsRoute(scrape: (format: Format, budgetMs: number) => Promise<Exposition>) {
  return async (request: IncomingMessage, response: ServerResponse) => {
    const format = negotiateFormat(request.headers.accept);
    const pieces = await scrape(format, budgetOf(request.headers['x-prometheus-scrape-timeout-seconds']));
    const headers = { 'Content-Type': CONTENT_TYPES[format], Vary: 'Accept, Accept-Encoding' };
    if (!acceptsGzip(request.headers['accept-encoding'])) {
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      response.writeHead(200, { ...headers, 'Content-Length': length });
      // All pieces in one system call: joining them first would copy a megabyte and make the collector work.
      response.cork();
      for (const piece of pieces) response.write(piece);
      response.end();
      return;
    }
    const packed = await compress(Buffer.concat(pieces));
    response
      .writeHead(200, { ...headers, 'Content-Encoding': 'gzip', 'Content-Length': packed.length })
      .end(packed);
  };
}

/** What the scraper's own timeout leaves us, in milliseconds, with half a second for the way. */
function budgetOf(timeoutSeconds: string | string[] | undefined): number {
  const seconds = Number(timeoutSeconds ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.max(0, Math.min(MOST_MS, (seconds - 0.5) * 1000)) : MOST_MS;
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '')
    .split(',')
    .some((entry) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(entry));
}

/** In a thread of its own pool: a large scrape does not hold up the event loop. */
function compress(body: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(body, { level: 1 }, (error, packed) => (error ? reject(error) : resolve(packed)));
  });
}
