import { type Document, type ErrorCode, isScalar, type LineCounter, visit, type YAMLError } from 'yaml';

interface Fault {
  readonly offset: number;
  readonly message: string;
}

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
  document: Document.Parsed,
  lines: LineCounter,
): { at: string; message: string }[] {
  const all = [...[...document.errors, ...document.warnings].map(syntaxFault), ...duplicateKeys(document)];
  const faults = new Map<number, { at: string; message: string }>();
  for (const { offset, message } of all.sort((a, b) => a.offset - b.offset)) {
    const { line, col } = lines.linePos(offset);
    if (!faults.has(line)) faults.set(line, { at: `:${line}:${col}`, message });
  }
  return [...faults.values()];
}

function syntaxFault({ code, pos }: YAMLError): Fault {
  return { offset: pos[0], message: `not valid YAML: ${ADVICE[code] ?? 'this cannot be understood'}` };
}

/** Every key that its mapping already has. */
function duplicateKeys(document: Document.Parsed): Fault[] {
  const faults: Fault[] = [];
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
