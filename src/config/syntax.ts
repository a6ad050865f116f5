import type { Document, ErrorCode, LineCounter, YAMLError } from 'yaml';

/** Our own words for the faults of YAML: the library's repeat the text, and that may be a secret. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: 'a value that begins with * or & needs quotes',
  BAD_DQ_ESCAPE: 'a backslash in double quotes begins an escape: use single quotes',
  BAD_INDENT: 'the indentation does not line up with the lines around it',
  BAD_SCALAR_START: 'a value that begins with this character needs quotes',
  BLOCK_AS_IMPLICIT_KEY: "two keys on one line: a value that holds ': ' needs quotes",
  MISSING_CHAR: 'a colon, comma, bracket or closing quote is missing',
  MULTILINE_IMPLICIT_KEY: 'a colon is missing after a key, or a closing quote before it',
  MULTIPLE_DOCS: 'a second document begins: keep one',
  NON_STRING_KEY: 'a key must be text',
  TAB_AS_INDENT: 'a tab indents this line: use spaces',
  TAG_RESOLVE_FAILED: 'a value that begins with ! needs quotes',
  UNEXPECTED_TOKEN: 'something stands here that does not belong: a value with [ ] { } , : or # needs quotes',
};

/** What is wrong with the syntax of a document: the first fault of each line, with `:line:column`. */
export function syntaxFaults(
  { errors, warnings }: Document.Parsed,
  text: string,
  lines: LineCounter,
): { at: string; message: string }[] {
  const faults = new Map<number, { at: string; message: string }>();
  for (const fault of [...errors, ...warnings].sort((a, b) => a.pos[0] - b.pos[0])) {
    const { line, col } = lines.linePos(fault.pos[0]);
    if (!faults.has(line)) faults.set(line, { at: `:${line}:${col}`, message: adviceOn(fault, text) });
  }
  return [...faults.values()];
}

function adviceOn({ code, pos }: YAMLError, text: string): string {
  if (code === 'DUPLICATE_KEY') {
    const key = /^[\w-]+/.exec(text.slice(pos[0]))?.[0] ?? 'the key';
    return `'${key}' is given twice: keep one`;
  }
  return `not valid YAML: ${ADVICE[code] ?? 'this cannot be understood'}`;
}
