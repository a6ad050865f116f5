import type * as z from 'zod';
import { nearest } from '../lib/nearest.ts';
import type { Layer } from './layer.ts';
import { formatPlace, keysAt, type Option, type Place } from './options.ts';
import { didYouMean } from './values.ts';

/** What is wrong at one place of a configuration. Its texts never contain a secret. */
export interface ConfigProblem {
  /** The file with its line (`config.yml:7`), the variable or the flag; empty when only defaults are involved. */
  readonly source: string;
  /** The option as `routers[1].url`; empty when the source says enough. */
  readonly key: string;
  /** What is wrong and what to do. */
  readonly message: string;
}

/** A configuration that cannot be used. Its message has one line per problem, in the order of the file. */
export class ConfigError extends Error {
  constructor(found: readonly ConfigProblem[]) {
    // Compares numbers by value: line 9 comes before line 10. Only here, because it takes 3 MB of memory.
    const bySource = new Intl.Collator('en', { numeric: true });
    const problems = found.toSorted((a, b) => bySource.compare(a.source, b.source));
    const lines = problems.map(({ source, key, message }) =>
      [source, key, message].filter((part) => part !== '').join(': '),
    );
    super(lines.length === 1 ? lines[0] : [`${lines.length} problems:`, ...lines].join('\n  '));
    this.name = 'ConfigError';
  }
}

/** More are not listed: each takes time to explain. */
const MOST_ISSUES = 100;

/** The issues of a schema as problems, each located in the last of the layers that has its place. */
export function problemsOf(
  issues: readonly z.core.$ZodIssue[],
  layers: readonly Layer[],
  nodes: readonly Option[],
): ConfigProblem[] {
  const single = issues.flatMap((issue): z.core.$ZodIssue[] =>
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => ({ ...issue, keys: [key] })) : [issue],
  );
  return single.slice(0, MOST_ISSUES).map((issue) => {
    const { place, message } = explain(issue, nodes);
    return { ...locate(place, layers), message };
  });
}

/** The source of a place, or of the innermost mapping around it; the last layer wins. */
export function locate(place: Place, layers: readonly Layer[]): Pick<ConfigProblem, 'source' | 'key'> {
  for (const layer of layers.toReversed()) {
    const location = layer.locate(place);
    if (location !== undefined) return location;
  }
  return { source: '', key: formatPlace(place) };
}

function explain(issue: z.core.$ZodIssue, nodes: readonly Option[]): { place: Place; message: string } {
  const place = issue.path.filter((step) => typeof step !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    return { place: [...place, key], message: unknownKey(key, place, nodes) };
  }
  return { place, message: issue.code === 'invalid_type' ? wrongShape(issue, place, nodes) : issue.message };
}

function unknownKey(key: string, place: Place, nodes: readonly Option[]): string {
  const known = keysAt(nodes, place);
  const meant = nearest(key, known);
  if (meant !== undefined) return `unknown key${didYouMean(meant)}`;
  const elsewhere = nodes.find(({ path }) => path.at(-1) === key);
  if (elsewhere !== undefined) return `unknown key here: it belongs at ${formatPlace(elsewhere.path)}`;
  return `unknown key: the keys here are ${known.join(', ')}`;
}

function wrongShape(issue: z.core.$ZodIssueInvalidType, place: Place, nodes: readonly Option[]): string {
  if (issue.expected === 'array') return "must be a list: begin each element with '- '";
  if (issue.expected !== 'object') return issue.message;
  return `must be a mapping, one 'key: value' per line, with the keys ${keysAt(nodes, place).join(', ')}`;
}
