import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { TokenConfig } from '../../config/schema.ts';

/** New in every process: nobody outside can compute what is compared. */
const KEY = randomBytes(32);

/**
 * The token of which this is the secret. Takes the same time whichever it is, and whether or not it is one: digests
 * of one length are compared, and all of them.
 */
export function findToken(tokens: readonly TokenConfig[], presented: string): TokenConfig | undefined {
  const digest = digestOf(presented);
  let found: TokenConfig | undefined;
  for (const each of tokens) {
    if (timingSafeEqual(digestOf(each.token.reveal()), digest)) found = each;
  }
  return found;
}

function digestOf(text: string): Buffer {
  return createHmac('sha256', KEY).update(text).digest();
}
