import { gzip } from 'node:zlib';
import type { Request, Response } from 'express';
import { negotiateFormat } from '../../metrics/negotiate.ts';
import { CONTENT_TYPES, type Format } from '../../metrics/render.ts';

/** `GET /metrics`: in the format and encoding that the scraper asks for. */
export function metricsRoute(scrape: (format: Format) => Promise<Buffer>) {
  return async (request: Request, response: Response) => {
    const format = negotiateFormat(request.headers.accept);
    const body = await scrape(format);
    const headers = { 'Content-Type': CONTENT_TYPES[format], Vary: 'Accept, Accept-Encoding' };
    if (!acceptsGzip(request.headers['accept-encoding'])) {
      response.writeHead(200, { ...headers, 'Content-Length': body.length }).end(body);
      return;
    }
    const packed = await compress(body);
    response
      .writeHead(200, { ...headers, 'Content-Encoding': 'gzip', 'Content-Length': packed.length })
      .end(packed);
  };
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
