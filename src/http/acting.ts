import type { NextFunction, Request, Response } from 'express';
import { sendProblem } from './problem.ts';

/** What a request says of where it comes from. */
export interface Origin {
  /** The peer's address, as the socket knows it. */
  peer: string | undefined;
  host: string | undefined;
  origin: string | undefined;
  secFetchSite: string | undefined;
  /** A proxy says that it speaks for somebody else. */
  forwarded: boolean;
}

/**
 * Why this caller may not change anything; undefined when it may. Without credentials configured, that is
 * only somebody on this very machine (by address, and by name: a page from elsewhere that resolves its own
 * name to loopback must not pass), and never a page of another site in somebody's browser.
 */
export function refusal({ peer, host, origin, secFetchSite, forwarded }: Origin): string | undefined {
  if (!isLoopbackAddress(peer)) return 'only callers on this machine (loopback) may do this';
  if (forwarded) return 'a proxy sent it for somebody else, who may be anywhere';
  if (!isLoopbackHost(host))
    return `the Host header must name this machine (localhost), not ${host ?? 'nothing'}`;
  if (secFetchSite !== undefined && secFetchSite !== 'same-origin' && secFetchSite !== 'none') {
    return 'pages of other sites may not do this';
  }
  if (origin !== undefined && originHost(origin) !== host) return 'pages of other sites may not do this';
  return undefined;
}

const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

/** Lets a request through that may change something, answers 403 to all others. */
export function mayAct(request: Request, response: Response, next: NextFunction): void {
  const reason = refusal({
    peer: request.socket.remoteAddress,
    host: request.headers.host,
    origin: request.headers.origin,
    secFetchSite: request.get('sec-fetch-site'),
    forwarded: FORWARDED.some((header) => request.headers[header] !== undefined),
  });
  if (reason === undefined) return next();
  sendProblem(response, { status: 403, title: 'Forbidden', detail: `Refused: ${reason}.` });
}

function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}

function isLoopbackHost(host: string | undefined): boolean {
  const name = host?.toLowerCase().replace(/:\d+$/, '');
  if (name === undefined) return false;
  return name === 'localhost' || name === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(name);
}

function originHost(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}
