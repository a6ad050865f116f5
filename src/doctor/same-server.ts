import type { RouterEvidence } from './evidence.ts';
import type { Finding } from './finding.ts';
import { listingIn } from './listing.ts';

/** A finding when `router` is one of the routers before it under another address. */
export function diagnoseIdentity(router: RouterEvidence, before: readonly RouterEvidence[]): Finding[] {
  const twin = before.find((other) => isSameServer(router, other));
  if (!twin) return [];
  return [
    {
      check: 'identity',
      mark: 'warn',
      cause: 'same_server',
      says: `this is the same server as ${twin.name}: every model is counted twice`,
      remedy: ['Take one of the two out of the configuration.'],
    },
  ];
}

/**
 * The port of a model's process is drawn anew at every load, so it names that process: it decides. Only where
 * no model was ever loaded, the same models at the same address have to do.
 */
function isSameServer(one: RouterEvidence, other: RouterEvidence): boolean {
  const mine = instancesOf(one);
  const theirs = instancesOf(other);
  if (!mine || !theirs || mine.size !== theirs.size) return false;
  const pairs = [...mine].map(([id, port]) => [port, theirs.get(id)] as const);
  if (pairs.some(([port, twin]) => port !== twin)) return false;
  return pairs.some(([port]) => port > 0) || (mine.size > 0 && addressOf(one) === addressOf(other));
}

/** The port of each model's process; 0 before its first load. Undefined when it lists nothing. */
function instancesOf({ models }: RouterEvidence): Map<string, number> | undefined {
  const listing = listingIn(models);
  return listing && new Map(listing.models.map(({ id, instance = 0 }) => [id, instance]));
}

function addressOf({ peer = '', url }: RouterEvidence): string {
  return `${peer.replace(/^(127\..*|\[::1\]):/, 'localhost:')}${new URL(url).pathname}`;
}
