import * as z from 'zod';
import { failed, ok } from '../lib/result.ts';
import { Secret } from '../lib/secret.ts';
import * as f from './fields.ts';
import { type Parsed, parseVisibleText, UNUSABLE } from './values.ts';

const token = z
  .strictObject({
    name: f.required('text', 'Name of the client in logs and operations.', parseClientName),
    token: f.required(
      'secret',
      'What the client sends as `Authorization: Bearer`: at least 16 characters.',
      parseToken,
      { kind: 'secret', env: 'LLAMA_ROUTER_EXPORTER_TOKEN' },
    ),
    routers: f.texts('Globs of the routers that the client may act on; empty: all.'),
    dry_run: f.toggle(false, 'Allow only dry runs.'),
  })
  .readonly();

const tokens = f.list('auth.tokens', 'Bearer tokens: a list of mappings with these keys.', token, [
  'name',
  'token',
]);

export const auth = f.section(
  'Write access. Without tokens and users, only callers on this machine have it.',
  {
    tokens,
  },
);

function parseClientName(value: unknown): Parsed<string> {
  if (value !== 'loopback') return parseVisibleText(value);
  return failed("'loopback' is the name of callers without a token: choose another");
}

/** Shorter tokens can be guessed, the header ends a token at a space, and many clients send only ASCII. */
const TOKEN = /^[\x21-\x7e]{16,}$/;

function parseToken(value: unknown): Parsed<Secret> {
  if (!(value instanceof Secret)) return failed('is missing: give it here or as token_file');
  if (value === UNUSABLE || TOKEN.test(value.reveal())) return ok(value);
  return failed(
    "must be at least 16 ASCII letters, digits or punctuation, for example from 'openssl rand -hex 32'",
  );
}
