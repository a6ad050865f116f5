import { z } from 'zod';
import { Secret } from '../lib/secret.ts';
import { list, requiredText, secret, texts, toggle } from './fields.ts';
import { isTree } from './layer.ts';
import { UNUSABLE } from './values.ts';

/** Shorter tokens can be guessed. */
const SHORTEST = 16;

const token = z
  .strictObject({
    name: requiredText('Name of the client in logs and operations.'),
    token: secret('What the client sends as `Authorization: Bearer`: at least 16 characters.', {
      env: 'LLAMA_ROUTER_EXPORTER_TOKEN',
    }),
    routers: texts('Globs of the routers that the client may act on; empty: all.'),
    dry_run: toggle(false, 'Allow only dry runs.'),
  })
  .superRefine(checkToken, { when: ({ value }) => isTree(value) })
  .transform(({ token, ...rest }) => Object.freeze({ ...rest, token: token ?? UNUSABLE }));

export const tokens = list('auth.tokens', 'Bearer tokens: a list of mappings with these keys.', token, {
  unique: ['name', 'token'],
});

function checkToken(element: unknown, ctx: z.core.$RefinementCtx): void {
  const { name, token } = element as { name?: unknown; token?: unknown };
  if (name === 'loopback') {
    const message = "'loopback' is the name of callers without a token: choose another";
    ctx.addIssue({ code: 'custom', path: ['name'], message });
  }
  const fault = tokenFault(token);
  if (fault !== undefined) ctx.addIssue({ code: 'custom', path: ['token'], message: fault });
}

function tokenFault(token: unknown): string | undefined {
  if (token === undefined) return 'is missing: give it here or as token_file';
  if (!(token instanceof Secret) || token === UNUSABLE) return undefined;
  const text = token.reveal();
  if (text.length < SHORTEST) {
    return `is too short: at least ${SHORTEST} characters, for example from 'openssl rand -hex 32'`;
  }
  // A token ends at a space in the header, and many clients send only ASCII.
  return /^[\x21-\x7e]+$/.test(text)
    ? undefined
    : 'may contain only ASCII letters, digits and punctuation, no spaces';
}
