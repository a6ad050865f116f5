import { z } from 'zod';
import { oneLine } from '../lib/one-line.ts';
import { ProblemError } from './problem.ts';

/** Longer lists are no list that a person or a script meant. */
export const LONGEST_LIST = 1000;
/** As many as somebody mends at once. */
const MOST_FAULTS = 10;
const LONGEST_FAULT = 300;

/** A body or a query by its schema; throws a 400 that says what is wrong with it. */
export function parsed<Schema extends z.ZodType>(schema: Schema, value: object, title: string) {
  // Before the schema: telling what is wrong with each of a million entries takes seconds.
  const tooLong = Object.entries(value).find(
    ([, inner]) => Array.isArray(inner) && inner.length > LONGEST_LIST,
  );
  if (tooLong !== undefined) {
    const detail = `${oneLine(tooLong[0], LONGEST_FAULT)} has more than ${LONGEST_LIST} entries.`;
    throw new ProblemError({ status: 400, title, detail });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ProblemError({ status: 400, title, detail: inWords(result.error.issues) });
}

/** Never longer than an answer should be, whatever was sent. */
function inWords(issues: readonly z.core.$ZodIssue[]): string {
  const first = issues.slice(0, MOST_FAULTS).map((issue) => ({
    ...issue,
    message: oneLine(issue.message, LONGEST_FAULT),
  }));
  const more = issues.length - first.length;
  return `${z.prettifyError(new z.ZodError(first))}${more > 0 ? `\n… and ${more} more` : ''}`;
}
