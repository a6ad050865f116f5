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

/** A row in the table of a check: a cause with its evidence, what it means, and what to do. Absent without evidence. */
export type CauseRow = Omit<Finding, 'check'> | undefined;

/** Steps of the remedy that are `false` do not apply. */
const causeOf =
  (mark: Mark) =>
  (cause: string, evidence: boolean, says: string, ...steps: (string | false)[]): CauseRow =>
    evidence ? { mark, cause, says, remedy: steps.filter((step) => step !== false) } : undefined;

export const fail = causeOf('fail');
export const warn = causeOf('warn');
export const note = causeOf('note');
export const fine = (evidence: boolean, says: string): CauseRow => causeOf('ok')('fine', evidence, says);

/** The finding of the first row that applies; none where no row does. */
export function findingsOf(check: string, causes: readonly CauseRow[]): Finding[] {
  const found = causes.find((cause) => cause !== undefined);
  return found ? [{ check, ...found }] : [];
}

export function plural(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

/** The beginning of a foreign text. */
export function excerpt(text: string): string {
  return oneLine(text, 60);
}
