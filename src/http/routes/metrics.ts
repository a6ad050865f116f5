import { promisify } from 'node:util';
import { gzip, type ZlibOptions } from 'node:zlib';
import type { Request, Response } from 'express';
import type { Scrape } from '../../collectors/scrape.ts';
import { CONTENT_TYPES, negotiateFormat } from '../../metrics/exposition.ts';

/** In the thread pool: a large scrape does not block the event loop. */
const compress = promisify<Buffer, ZlibOptions, Buffer>(gzip);

/** `GET /metrics`: in the format and encoding that the scraper asks for. */
export function metricsRoute(scrape: Scrape) {
  return async (request: Request, response: Response) => {
    const format = negotiateFormat(request.headers.accept);
    const plain = scrape(format);
    const packed = request.acceptsEncodings('gzip') ? await compress(plain, { level: 1 }) : undefined;
    if (packed) response.set('Content-Encoding', 'gzip');
    response.set({ 'Content-Type': CONTENT_TYPES[format], Vary: 'Accept, Accept-Encoding' });
    response.send(packed ?? plain);
  };
}
