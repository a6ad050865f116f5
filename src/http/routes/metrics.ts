import { gzip } from 'node:zlib';
import type { Request, Response } from 'express';
import type { Scrape } from '../../collectors/scrape.ts';
import { CONTENT_TYPES, negotiateFormat } from '../../metrics/render.ts';

/** The longest time that a scrape waits for fresh readings. */
const MAX_BUDGET_MS = 1000;
/** Kept free of the scraper's own timeout, for the transfer. */
const TRANSFER_MS = 500;

/** `GET /metrics`: in the format and encoding that the scraper asks for. */
export function metricsRoute(scrape: Scrape) {
  return async (request: Request, response: Response) => {
    const format = negotiateFormat(request.headers.accept);
    const pieces = await scrape(format, budgetOf(request.get('x-prometheus-scrape-timeout-seconds')));
    const headers = { 'Content-Type': CONTENT_TYPES[format], Vary: 'Accept, Accept-Encoding' };
    if (!request.acceptsEncodings('gzip')) {
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      response.writeHead(200, { ...headers, 'Content-Length': length });
      // One system call without joining the pieces first, which would copy a megabyte.
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

function budgetOf(timeoutSeconds: string | undefined): number {
  const timeoutMs = Number(timeoutSeconds ?? Number.NaN) * 1000;
  if (!Number.isFinite(timeoutMs)) return MAX_BUDGET_MS;
  return Math.max(0, Math.min(MAX_BUDGET_MS, timeoutMs - TRANSFER_MS));
}

/** In the thread pool: a large scrape does not block the event loop. */
function compress(body: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(body, { level: 1 }, (error, packed) => (error ? reject(error) : resolve(packed)));
  });
}
