import { z } from 'zod';
import { Secret } from '../lib/secret.ts';
import { options } from './fields.ts';
import { isTree } from './layer.ts';
import { hasControlCharacter, type Parsed } from './values.ts';

/** With bcrypt's cost 17 a comparison takes ten seconds of a core: callers would have given up. */
const HIGHEST_COST = 16;

const MAKE_ONE = "make one with 'htpasswd -nBC 10 NAME'";

/** Users of basic authentication: a mapping of names to the bcrypt hashes of their passwords. */
export const users = z
  .unknown()
  .transform((value, ctx): ReadonlyMap<string, Secret> => {
    if (!isTree(value)) {
      ctx.addIssue({
        code: 'custom',
        message: `must be a mapping, a 'name: hash' on each line: ${MAKE_ONE}`,
      });
      return z.NEVER;
    }
    const known = new Map<string, Secret>();
    for (const [name, hash] of Object.entries(value)) {
      const user = parseUser(name, hash);
      if ('value' in user) known.set(name, user.value);
      else ctx.addIssue({ code: 'custom', path: [name], message: user.wrong });
    }
    return known;
  })
  .prefault({})
  .register(options, {
    kind: 'scalar',
    type: 'users',
    description:
      'Who may do everything: names with bcrypt hashes of their passwords; empty: no user is needed.',
    fallback: '',
  });

/** The hash never stands in a message: it is worth guessing at. */
function parseUser(name: string, hash: unknown): Parsed<Secret> {
  if (name === '' || name.includes(':') || hasControlCharacter(name)) {
    return { wrong: 'can be the name of no user: no header could carry it' };
  }
  if (hash === undefined) return { wrong: `has no hash: ${MAKE_ONE}` };
  if (typeof hash !== 'string') return { wrong: `must be a bcrypt hash: ${MAKE_ONE}` };
  const [, digits] = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(hash) ?? [];
  if (digits === undefined) return { wrong: `is no bcrypt hash, which begins with $2y$10$: ${MAKE_ONE}` };
  const cost = Number(digits);
  if (cost < 4) return { wrong: `has the cost ${cost}, which bcrypt does not know: ${MAKE_ONE}` };
  if (cost > HIGHEST_COST) return { wrong: `has the cost ${cost}, which takes too long: ${MAKE_ONE}` };
  return { value: new Secret(hash) };
}
