import type { z } from 'zod';
import { nearest } from '../lib/nearest.ts';
import { keysAt, type Option } from './options.ts';
import { formatPlace, type Place } from './place.ts';
import { didYouMean } from './values.ts';

/** One thing that is wrong with the configuration. None of its texts ever holds a secret. */
export interface Problem {
  /** The file with its line (`config.yml:7`), the variable or the flag; empty when only defaults meet. */
  readonly source: string;
  /** The option as `routers[1].url`; empty when the source says it all. */
  readonly key: string;
  /** What is wrong and what to do. */
  readonly message: string;
}

/** Numbers within by their size: line 9 before line 10. */
const bySource = new Intl.Collator('en', { numeric: true });

/** A configuration that cannot be used; its message has one line for every problem, in the order of the file. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(found: readonly Problem[]) {
    const problems = found.toSorted((a, b) => bySource.compare(a.source, b.source));
    const lines = problems.map(formatProblem);
    super(lines.length === 1 ? lines[0] : [`${lines.length} problems:`, ...lines].join('\n  '));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** `config.yml:7: routers[1].url: is missing`. */
function formatProblem({ source, key, message }: Problem): string {
  return [source, key, message].filter((part) => part !== '').join(': ');
}

/** What a finding of the schema says to the operator, one entry for every place it is about. */
export function explain(
  issue: z.core.$ZodIssue,
  nodes: readonly Option[],
): { place: Place; message: string }[] {
  const place = issue.path.filter((step) => typeof step !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ place: [...place, key], message: unknownKey(key, place, nodes) }));
  }
  return [
    { place, message: issue.code === 'invalid_type' ? wrongShape(issue, place, nodes) : issue.message },
  ];
}

function unknownKey(key: string, place: Place, nodes: readonly Option[]): string {
  const known = keysAt(nodes, place);
  const meant = nearest(key, known);
  if (meant !== undefined) return `unknown key${didYouMean(meant)}`;
  const elsewhere = nodes.find(({ path }) => path.at(-1) === key);
  if (elsewhere !== undefined) return `unknown key here: it belongs at ${formatPlace(elsewhere.path)}`;
  return `unknown key: known here are ${known.join(', ')}`;
}

function wrongShape(issue: z.core.$ZodIssueInvalidType, place: Place, nodes: readonly Option[]): string {
  if (issue.expected === 'array') return "must be a list: begin each of its elements with '- '";
  if (issue.expected !== 'object') return issue.message;
  return `must be a mapping, a 'key: value' on each line, of ${keysAt(nodes, place).join(', ')}`;
}
