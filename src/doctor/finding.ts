import { oneLine } from '../lib/one-line.ts';

/** `note` needs no action; `warn` works in part; `fail` does not work. */
export type Mark = 'ok' | 'note' | 'warn' | 'fail';

/** One thing that was checked, what was found, and what to do. */
export interface Finding {
  check: string;
  mark: Mark;
  /** A stable word for scripts; `fine` when nothing is wrong. */
  cause: string;
  says: string;
  remedy: readonly string[];
}

/** The findings about one router, or about the exporter itself. */
export interface Diagnosis {
  name: string;
  url?: string | undefined;
  findings: readonly Finding[];
}

/** A cause that doctor knows: how to recognize it, what it means, what to do. */
export interface KnownCause<Facts> {
  cause: string;
  /** Default: `fail`. */
  mark?: Mark;
  when(facts: Facts): boolean;
  says: string | ((facts: Facts) => string);
  remedy?: readonly string[] | ((facts: Facts) => readonly string[]);
}

/** The finding for the first cause in the table that the facts show. */
export function findCause<Facts>(
  check: string,
  causes: readonly KnownCause<Facts>[],
  facts: Facts,
): Finding | undefined {
  const found = causes.find(({ when }) => when(facts));
  if (!found) return undefined;
  const { cause, mark = 'fail', says, remedy = [] } = found;
  return {
    check,
    mark,
    cause,
    says: typeof says === 'string' ? says : says(facts),
    remedy: typeof remedy === 'function' ? remedy(facts) : remedy,
  };
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The beginning of a foreign text. */
export function excerpt(text: string): string {
  return oneLine(text, 60);
}
