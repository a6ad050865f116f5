import * as z from 'zod';
import { oneLine } from '../lib/one-line.ts';
import type { RouterState } from '../models/router-state.ts';
import type { Store } from '../models/store.ts';
import { ProblemError } from './problem.ts';

/** The longest list in a body. */
const LONGEST_LIST = 1000;
/** The longest name in a body: file names and model names of hubs are shorter. */
const LONGEST_NAME = 255;
const MAX_FAULTS = 10;
const LONGEST_FAULT = 300;

/** Schema of a list of names or globs. */
export const names = (description: string) =>
  z.array(z.string().min(1).max(LONGEST_NAME)).max(LONGEST_LIST).meta({ description });

/** Schema of a number in a query, written as in JSON. */
export const numberInQuery = z
  .string()
  .regex(/^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i, 'must be a number')
  .transform(Number);

/** Parses a body or a query by its schema; throws a 400 with what is wrong, never longer than a few lines. */
export function parsed<Schema extends z.ZodType>(schema: Schema, value: object, title: string) {
  // Before the schema: a message for each of a million entries takes seconds.
  const long = Object.entries(value).find(([, inner]) => Array.isArray(inner) && inner.length > LONGEST_LIST);
  if (long !== undefined) {
    const detail = `${oneLine(long[0], LONGEST_FAULT)} has more than ${LONGEST_LIST} entries.`;
    throw new ProblemError(400, title, detail);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  const shown = issues
    .slice(0, MAX_FAULTS)
    .map((issue) => ({ ...issue, message: oneLine(issue.message, LONGEST_FAULT) }));
  const more = issues.length > MAX_FAULTS ? `\n… and ${issues.length - MAX_FAULTS} more` : '';
  throw new ProblemError(400, title, `${z.prettifyError(new z.ZodError(shown))}${more}`);
}

/** The router with this name; throws a 404 that lists the routers. */
export function namedRouter(store: Store, name: string): RouterState {
  const state = store.router(name);
  if (state) return state;
  const detail = `No router is named ${name}. The routers are: ${routerNames(store) || 'none'}.`;
  throw new ProblemError(404, 'Unknown router', detail);
}

/** `gpu-box, attic`. */
export function routerNames(store: Store): string {
  return store
    .routers()
    .map(({ name }) => name)
    .join(', ');
}
