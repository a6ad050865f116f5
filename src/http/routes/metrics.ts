import { promisify } from 'node:util';
import { gzip, type ZlibOptions } from 'node:zlib';
import type { Request, Response } from 'express';
import type { Scrape } from '../../collectors/scrape.ts';
import { CONTENT_TYPES, negotiateFormat } from '../../metrics/exposition.ts';

/** The longest time that a scrape waits for fresh readings. */
const MAX_BUDGET_MS = 1000;
/** Kept free of the scraper's own timeout, for the transfer. */
const TRANSFER_MS = 500;

/** In the thread pool: a large scrape does not block the event loop. */
const compress = promisify<Buffer, ZlibOptions, Buffer>(gzip);

/** `GET /metrics`: in the format and encoding that the scraper asks for. */
export function metricsRoute(scrape: Scrape) {
  return async (request: Request, response: Response) => {
    const format = negotiateFormat(request.headers.accept);
    const plain = await scrape(format, budgetOf(request.get('x-prometheus-scrape-timeout-seconds')));
    const packed = request.acceptsEncodings('gzip') ? await compress(plain, { level: 1 }) : undefined;
    if (packed) response.set('Content-Encoding', 'gzip');
    response.set({ 'Content-Type': CONTENT_TYPES[format], Vary: 'Accept, Accept-Encoding' });
    response.send(packed ?? plain);
  };
}

function budgetOf(timeoutSeconds: string | undefined): number {
  const timeoutMs = Number(timeoutSeconds ?? Number.NaN) * 1000;
  if (!Number.isFinite(timeoutMs)) return MAX_BUDGET_MS;
  return Math.max(0, Math.min(MAX_BUDGET_MS, timeoutMs - TRANSFER_MS));
}
