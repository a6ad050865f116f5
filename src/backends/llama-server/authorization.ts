import type { Secret } from '../../lib/secret.ts';

/**
 * The header that carries a router's API key; none without a key. As the bytes of its UTF-8, which is what the
 * router compares; headers know nothing beyond Latin-1.
 */
export function authorizationOf(apiKey: Secret | undefined): { authorization?: string } {
  if (!apiKey) return {};
  return { authorization: `Bearer ${Buffer.from(apiKey.reveal(), 'utf8').toString('latin1')}` };
}
