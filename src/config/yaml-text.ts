import { type Document, LineCounter, parseDocument } from 'yaml';
import { isTree } from './layer.ts';
import { syntaxFaults } from './syntax.ts';
import type { Parsed } from './values.ts';

/** What a text of YAML, or of JSON, says; else the first thing that is wrong with it, and where. */
export function parseYaml(text: string): Parsed<unknown> {
  const lines = new LineCounter();
  const document = documentOf(text, lines);
  if (document === undefined) return { wrong: 'is nested far too deeply' };
  const [fault] = syntaxFaults(document, lines);
  return fault === undefined ? plainOf(document) : { wrong: `${fault.at.slice(1)}: ${fault.message}` };
}

/** The document with its faults as values; undefined when it is nested too deeply to be read. */
export function documentOf(text: string, lineCounter: LineCounter): Document.Parsed | undefined {
  try {
    // No pretty errors: they repeat the text around the fault, which may hold a secret. The library's check of unique keys takes
    // quadratic time: see syntaxFaults.
    return parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true, uniqueKeys: false });
  } catch {
    // What is wrong with a text it reports as a value; only the stack overflows.
    return undefined;
  }
}

/** Lists, mappings and scalars; undefined where nothing is written. */
export function plainOf(document: Document.Parsed): Parsed<unknown> {
  try {
    return { value: withoutNulls(document.toJS()) };
  } catch {
    return {
      wrong: 'uses an alias without an anchor, or far too many: a value that begins with * needs quotes',
    };
  }
}

/** A key without a value counts as not written; it stays in its mapping, for misspelt keys to be found. */
function withoutNulls(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutNulls(inner)]));
}
