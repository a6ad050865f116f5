import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Request, Response } from 'express';
import { z } from 'zod';
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

/** The shortest time between two renderings of a page, for all readers together. */
const MIN_INTERVAL_MS = 250;
/** The longest time a page is reused: memory and activity change without events. */
const MAX_AGE_MS = 1000;
/** Unused pages are dropped after this time. */
const KEEP_MS = 10_000;

const pageQuery = z.strictObject({ router: z.string().optional() });

interface Rendered {
  body: Buffer;
  etag: string;
  at: number;
  /** The count of changes when it was rendered. */
  changes: number;
}

/** `GET /`, optionally of one `router`: the page, or 304 when it is the one in `If-None-Match`. */
export function pageRoute(parts: AppParts) {
  const render = createRenderer(parts);
  return async (request: Request, response: Response) => {
    const { router = '' } = parsed(pageQuery, request.query, 'Bad query');
    if (router !== '') namedRouter(parts.store, router);
    const { body, etag } = await render(router);
    response.set({ 'Content-Security-Policy': POLICY, 'Referrer-Policy': 'no-referrer', ETag: etag });
    if (request.get('if-none-match') === etag) response.status(304).end();
    else response.type('html').send(body);
  };
}

/** Renders for all readers together. */
function createRenderer(parts: AppParts): (router: string) => Rendered | Promise<Rendered> {
  const { store, holds, operations, clock } = parts;
  const pages = new Map<string, Rendered>();
  const pending = new Map<string, Promise<Rendered>>();
  let changes = 0;
  const changed = () => {
    changes += 1;
  };
  store.onTransition(changed);
  holds.onChange(changed);
  operations.onBegin(changed);
  operations.onEnd(changed);

  return (router) => {
    const last = pages.get(router);
    const age = clock.now() - (last?.at ?? Number.NEGATIVE_INFINITY);
    if (last && age < MAX_AGE_MS && last.changes === changes) return last;
    if (age >= MIN_INTERVAL_MS) return render(router);
    const next = pending.get(router) ?? later(router, MIN_INTERVAL_MS - age);
    pending.set(router, next);
    return next;
  };

  function later(router: string, ms: number): Promise<Rendered> {
    return new Promise((resolve) => {
      clock.after(ms, () => {
        pending.delete(router);
        resolve(render(router));
      });
    });
  }

  function render(router: string): Rendered {
    const body = Buffer.from(renderPage(parts, router));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    const page = { body, etag, at: clock.now(), changes };
    for (const [name, { at }] of pages) if (page.at - at > KEEP_MS) pages.delete(name);
    pages.set(router, page);
    return page;
  }
}

/** `GET /style.css`. */
export function styleRoute(_request: Request, response: Response): void {
  response.type('css').send(STYLE);
}

/** `GET /page.js`. */
export function scriptRoute(_request: Request, response: Response): void {
  response.type('js').send(SCRIPT);
}
