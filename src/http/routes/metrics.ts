import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip, gzip, type ZlibOptions } from 'node:zlib';
import type { Request, Response } from 'express';
import type { Scrape } from '../../collectors/scrape.ts';
import { weighedGroups } from '../../lib/weighed-groups.ts';
import { CONTENT_TYPES, JOINED_BYTES, negotiateFormat } from '../../metrics/exposition.ts';

/** `GET /metrics`: in the format and encoding that the scraper asks for. */
export function metricsRoute(scrape: Scrape) {
  return async (request: Request, response: Response) => {
    const format = negotiateFormat(request.headers.accept);
    const plain = scrape(format);
    const packed = request.acceptsEncodings('gzip') ? await compressed(plain) : undefined;
    if (packed) response.set('Content-Encoding', 'gzip');
    response.set({ 'Content-Type': CONTENT_TYPES[format], Vary: 'Accept, Accept-Encoding' });
    sendPieces(response, packed ?? plain);
  };
}

const LEVEL = { level: 1 };
const compress = promisify<Buffer, ZlibOptions, Buffer>(gzip);

/** In the thread pool: a large scrape does not block the event loop. */
async function compressed(pieces: readonly Buffer[]): Promise<Buffer[]> {
  const [only] = pieces;
  if (only && pieces.length === 1) return [await compress(only, LEVEL)];
  const packed: Buffer[] = [];
  await pipeline(Readable.from(joined(pieces)), createGzip(LEVEL), async (chunks) => {
    for await (const chunk of chunks) packed.push(chunk);
  });
  return packed;
}

/** The same bytes in fewer pieces: each takes a turn in the thread pool. */
function* joined(pieces: readonly Buffer[]): Generator<Buffer> {
  for (const group of weighedGroups(pieces, ({ length }) => length, JOINED_BYTES)) yield Buffer.concat(group);
}

/** Sends one answer without joining its pieces, which may have 100 MB. */
function sendPieces(response: Response, pieces: readonly Buffer[]): void {
  response.set('Content-Length', String(pieces.reduce((sum, piece) => sum + piece.length, 0)));
  response.cork();
  for (const piece of pieces) response.write(piece);
  response.uncork();
  response.end();
}
