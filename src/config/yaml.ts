import {
  type Document,
  type ErrorCode,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import { failed, ok } from '../lib/result.ts';
import { isTree } from './layer.ts';
import type { Place } from './options.ts';
import type { Parsed } from './values.ts';

/** `at` is `:line:column`, or empty when the whole text is meant. The message never repeats the text. */
export interface YamlFault {
  readonly at: string;
  readonly message: string;
}

/** Parses YAML or JSON into a plain value, with the line of the innermost node on the way to a place. */
export function parseYaml(text: string) {
  const lines = new LineCounter();
  try {
    // The library's check of unique keys takes quadratic time; duplicateKeys does not.
    const options = { prettyErrors: false, stringKeys: true, uniqueKeys: false };
    const document = parseDocument(text, { ...options, lineCounter: lines });
    const faults = faultsOf(document, lines);
    if (faults.length > 0) return failed(faults);
    const value = withoutNulls(document.toJS());
    return ok({ value, lineOf: (place: Place) => lineOf(document.contents, place, lines) });
  } catch (error) {
    const message =
      error instanceof RangeError
        ? 'is nested too deeply'
        : 'uses an alias without an anchor, or too many aliases: a value that begins with * needs quotes';
    return failed([{ at: '', message }]);
  }
}

/** The same with only the value and the first fault. */
export function parseYamlValue(text: string): Parsed<unknown> {
  const yaml = parseYaml(text);
  if (yaml.ok) return ok(yaml.value.value);
  const [{ at, message } = { at: '', message: '' }] = yaml.fault;
  return failed(at === '' ? message : `${at.slice(1)}: ${message}`);
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: 'a value that begins with * or & needs quotes',
  BAD_DQ_ESCAPE: 'a backslash in double quotes begins an escape: use single quotes',
  BAD_INDENT: 'the indentation does not line up with the lines around it',
  BAD_SCALAR_START: 'a value that begins with this character needs quotes',
  BLOCK_AS_IMPLICIT_KEY: "two keys on one line: a value that contains ': ' needs quotes",
  MISSING_CHAR: 'a colon, comma, bracket or closing quote is missing',
  MULTILINE_IMPLICIT_KEY: 'a colon is missing after a key, or a closing quote before it',
  MULTIPLE_DOCS: 'a second document begins: keep one',
  NON_STRING_KEY: 'a key must be text',
  TAB_AS_INDENT: 'a tab indents this line: use spaces',
  TAG_RESOLVE_FAILED: 'a value that begins with ! needs quotes',
  UNEXPECTED_TOKEN: 'unexpected text: a value with [ ] { } , : or # needs quotes',
};

/** The first fault of each line. */
function faultsOf(document: Document.Parsed, lines: LineCounter): YamlFault[] {
  const all = [...[...document.errors, ...document.warnings].map(syntaxFault), ...duplicateKeys(document)];
  const faults = new Map<number, YamlFault>();
  for (const { offset, message } of all.sort((a, b) => a.offset - b.offset)) {
    const { line, col } = lines.linePos(offset);
    if (!faults.has(line)) faults.set(line, { at: `:${line}:${col}`, message });
  }
  return [...faults.values()];
}

function syntaxFault({ code, pos }: YAMLError) {
  return { offset: pos[0], message: `not valid YAML: ${ADVICE[code] ?? 'syntax error'}` };
}

function duplicateKeys(document: Document.Parsed) {
  const faults: { offset: number; message: string }[] = [];
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const message = `'${key.value}' is given twice: keep one`;
        if (seen.has(key.value)) faults.push({ offset: key.range?.[0] ?? 0, message });
        seen.add(key.value);
      }
    },
  });
  return faults;
}

/** A key without a value counts as not set; it stays in its mapping, so that misspelt keys are found. */
function withoutNulls(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutNulls(inner)]));
}

/** The line (from 1) of the innermost node on the way to a place. */
function lineOf(contents: unknown, place: Place, lines: LineCounter): number | undefined {
  let node = contents;
  let offset: number | undefined;
  for (const step of place) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      if (pair === undefined || !isScalar(pair.key)) break;
      offset = pair.key.range?.[0];
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      if (isMap(node) || isScalar(node) || isSeq(node)) offset = node.range?.[0];
    } else break;
  }
  return offset === undefined ? undefined : lines.linePos(offset).line;
}
