import { dirname, resolve } from 'node:path';
import { type Document, isMap, isScalar, isSeq, LineCounter } from 'yaml';
import { isTree, type Layer, type Tree } from './layer.ts';
import { formatPlace, type Place } from './place.ts';
import type { Problem } from './problem.ts';
import { readText } from './read.ts';
import { syntaxFaults } from './syntax.ts';
import type { Parsed } from './values.ts';
import { documentOf, plainOf } from './yaml-text.ts';

/** What a YAML file says; when it cannot be read, nothing, and why. Paths in it are relative to it. */
export function fileLayer(file: string, example = 'routers:'): { layer: Layer; problems: Problem[] } {
  const failed = (...problems: { at?: string; message: string }[]) => ({
    layer: { tree: {}, names: [file], locate: () => undefined },
    problems: problems.map(({ at = '', message }) => ({ source: `${file}${at}`, key: '', message })),
  });
  const text = readText(file);
  if ('wrong' in text) return failed({ message: text.wrong });
  const lines = new LineCounter();
  const document = documentOf(text.value, lines);
  if (document === undefined)
    return failed({ message: 'is nested far too deeply: this is no configuration' });
  const faults = syntaxFaults(document, lines);
  if (faults.length > 0) return failed(...faults);
  const tree = treeOf(document, example);
  if ('wrong' in tree) return failed({ message: tree.wrong });
  const locate = (place: Place) => {
    const line = lineOf(document.contents, place, lines);
    return line === undefined ? undefined : { source: `${file}:${line}`, key: formatPlace(place) };
  };
  const directory = dirname(resolve(file));
  return { layer: { tree: tree.value, names: [file], directory, locate }, problems: [] };
}

function treeOf(document: Document.Parsed, example: string): Parsed<Tree> {
  const plain = plainOf(document);
  if ('wrong' in plain) return plain;
  if (plain.value === undefined) return { value: {} };
  if (isTree(plain.value)) return { value: plain.value };
  return { wrong: `must be a mapping: begin with a section such as '${example}'` };
}

/** The line (from 1) of the innermost thing on the way to a place that the file holds. */
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
