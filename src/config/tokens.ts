import { z } from 'zod';
import { Secret } from '../lib/secret.ts';
import { options, requiredLabel, secret, texts, toggle } from './fields.ts';
import { isTree } from './layer.ts';
import { UNUSABLE } from './values.ts';

/** Shorter ones can be guessed. */
const SHORTEST = 16;

const token = z
  .strictObject({
    name: requiredLabel('What the bearer is called in logs and operations.'),
    token: secret('What the bearer sends as `Authorization: Bearer`: at least 16 characters.', {
      env: 'LLAMA_ROUTER_EXPORTER_TOKEN',
    }),
    routers: texts('Globs of the routers that the bearer may act on; empty: all.'),
    dry_run: toggle(false, 'Whether the bearer may only ask what would happen.'),
  })
  .superRefine(checkToken, { when: ({ value }) => isTree(value) })
  .transform(({ token, ...rest }) => Object.freeze({ ...rest, token: token ?? UNUSABLE }));

/** The list of tokens: each with a name and a secret of its own. */
export const tokens = z
  .array(token)
  .superRefine(checkTokens, { when: ({ value }) => Array.isArray(value) })
  .readonly()
  .prefault([])
  .register(options, {
    kind: 'section',
    type: 'list',
    description: 'Bearer tokens: a list, each element with these keys.',
    fallback: '',
  });

function checkToken(element: unknown, ctx: z.core.$RefinementCtx): void {
  const fault = secretFault(((element ?? {}) as { token?: unknown }).token);
  if (fault !== undefined) ctx.addIssue({ code: 'custom', path: ['token'], message: fault });
}

function secretFault(secret: unknown): string | undefined {
  if (secret === undefined) return 'is missing: give it here or as token_file';
  if (!(secret instanceof Secret) || secret === UNUSABLE) return undefined;
  const text = secret.reveal();
  if (text.length < SHORTEST) {
    return `is too short: at least ${SHORTEST} characters, such as 'openssl rand -hex 32' prints`;
  }
  // A header field ends at a space, and is no more than ASCII for many clients.
  if (!/^[\x21-\x7e]+$/.test(text))
    return 'may hold only letters, digits and punctuation of ASCII, no spaces';
  return undefined;
}

/** Runs even when an element is wrong, so that all is reported at once: its fields may then be anything. */
function checkTokens(list: readonly unknown[], ctx: z.core.$RefinementCtx): void {
  const known = list.map((element) => (element ?? {}) as { name?: unknown; token?: unknown });
  for (const [index, { name, token }] of known.entries()) {
    const wrong = (key: string, message: string) =>
      ctx.addIssue({ code: 'custom', path: [index, key], message });
    const sameName = known.findIndex((other) => typeof name === 'string' && other.name === name);
    const sameToken = known.findIndex((other) => isSame(other.token, token));
    if (name === 'loopback')
      wrong('name', "'loopback' is what callers without a token are called: choose another");
    if (sameName >= 0 && sameName < index) {
      wrong('name', `'${name}' is already the name of auth.tokens[${sameName}]: give each its own`);
    }
    if (sameToken >= 0 && sameToken < index) {
      wrong('token', `is the token of auth.tokens[${sameToken}] again: give each its own`);
    }
  }
}

function isSame(one: unknown, other: unknown): boolean {
  if (!(one instanceof Secret) || !(other instanceof Secret) || one === UNUSABLE) return false;
  return one.reveal() === other.reveal();
}
