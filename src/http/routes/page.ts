import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Request, Response } from 'express';
import * as z from 'zod';
import { namedRouter, parsed } from '../input.ts';
import { renderPage } from '../page/page.ts';
import { STYLE } from '../page/style.ts';
import type { AppParts } from '../parts.ts';

/** Allows only the page's own CSS, script and API: nothing inline, no frames, no other sites. */
const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  // For the empty icon, which keeps browsers from requesting one.
  'img-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Runs in browsers unchanged. */
const SCRIPT = readFileSync(new URL('../page/script.js', import.meta.url), 'utf8');

/** How long a page is reused, for all readers together. The script waits longer than this after an event. */
const REUSE_MS = 250;

const pageQuery = z.strictObject({ router: z.string().optional() });

interface Rendered {
  body: Buffer;
  etag: string;
  at: number;
}

/** `GET /`, optionally of one `router`: the page, or 304 when it is the one in `If-None-Match`. */
export function pageRoute(parts: AppParts) {
  const pages = new Map<string, Rendered>();
  return (request: Request, response: Response) => {
    const { router = '' } = parsed(pageQuery, request.query, 'Bad query');
    if (router !== '') namedRouter(parts.store, router);
    const now = parts.clock.now();
    for (const [name, { at }] of pages) if (now - at >= REUSE_MS) pages.delete(name);
    const { body, etag } = pages.get(router) ?? render(router, now);
    response.set({ 'Content-Security-Policy': POLICY, 'Referrer-Policy': 'no-referrer', ETag: etag });
    if (request.get('if-none-match') === etag) response.status(304).end();
    else response.type('text/html').send(body);
  };

  function render(router: string, at: number): Rendered {
    const body = Buffer.from(renderPage(parts, router));
    const page = { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"`, at };
    pages.set(router, page);
    return page;
  }
}

/** `GET /style.css`. */
export function styleRoute(_request: Request, response: Response): void {
  response.type('text/css').send(STYLE);
}

/** `GET /page.js`. */
export function scriptRoute(_request: Request, response: Response): void {
  response.type('text/javascript').send(SCRIPT);
}
