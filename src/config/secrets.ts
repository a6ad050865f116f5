import { resolve } from 'node:path';
import { Secret } from '../lib/secret.ts';
import { holdersOf, type Layer, type Tree } from './layer.ts';
import { fileTwin, type Option } from './options.ts';
import { formatPlace, type Place } from './place.ts';
import type { Problem } from './problem.ts';
import { readText } from './read.ts';
import { hasControlCharacter, type Parsed, parseText, UNUSABLE } from './values.ts';

/** Makes the paths that a layer names relative to its directory; changes its tree. */
export function resolvePaths({ tree, directory }: Layer, options: readonly Option[]): void {
  if (directory === undefined) return;
  const absolute = (file: unknown) =>
    typeof file === 'string' && file !== '' ? resolve(directory, file) : file;
  for (const { kind, path } of options) {
    if (kind !== 'path' && kind !== 'paths') continue;
    const key = path.at(-1) ?? '';
    for (const [holder] of holdersOf(tree, path)) {
      const written = holder[key];
      // Several may stand in one text, as in a variable; what is no list of texts is for the schema to refuse.
      const list = kind === 'paths' && typeof written === 'string' ? written.split(',') : written;
      if (Array.isArray(list))
        holder[key] = list.map((file) => absolute(typeof file === 'string' ? file.trim() : file));
      else if (kind === 'path') holder[key] = absolute(written);
    }
  }
}

/**
 * Puts every credential of a layer into a `Secret`, read from its `_file` where that is named, before
 * anything else looks at the tree; changes the tree and gives what is wrong.
 */
export function hideSecrets(layer: Layer, options: readonly Pick<Option, 'kind' | 'path'>[]): Problem[] {
  const secrets = options.filter(({ kind }) => kind === 'secret');
  return secrets.flatMap(({ path }) =>
    holdersOf(layer.tree, path).flatMap(([holder, place]) => hideSecret(layer, holder, place, path)),
  );
}

function hideSecret(layer: Layer, holder: Tree, place: Place, path: readonly string[]): Problem[] {
  const key = path.at(-1) ?? '';
  const fileKey = fileTwin(path).at(-1) ?? '';
  const { [key]: written, [fileKey]: file } = holder;
  const problem = (at: string, message: string): Problem[] => {
    const there = [...place, at];
    return [{ ...(layer.locate(there) ?? { source: '', key: formatPlace(there) }), message }];
  };
  delete holder[key];
  delete holder[fileKey];
  if (written !== undefined && file !== undefined) {
    holder[key] = UNUSABLE;
    return problem(key, 'is given both directly and by a file: keep one of them');
  }
  if (written === undefined && file === undefined) return [];
  const secret = file === undefined ? parseSecret(written) : readSecret(file);
  if ('wrong' in secret) {
    holder[key] = UNUSABLE;
    return problem(file === undefined ? key : fileKey, secret.wrong);
  }
  holder[key] = secret.value;
  return [];
}

/** The secret that a file holds, one newline at its end taken off. */
function readSecret(file: unknown): Parsed<Secret> {
  if (typeof file !== 'string' || file === '') return { wrong: 'must be the path of a file' };
  const text = readText(file);
  if ('wrong' in text) return { wrong: `${file} ${text.wrong}` };
  const secret = parseSecret(text.value.replace(/\r?\n$/, ''));
  return 'wrong' in secret ? { wrong: `${file} ${secret.wrong}` } : secret;
}

function parseSecret(value: unknown): Parsed<Secret> {
  const text = parseText(value);
  if ('wrong' in text) return text;
  if (text.value === '') return { wrong: 'is empty: write the secret there, or leave it out' };
  // No header can carry it: every request would fail, and say so in words about headers.
  if (hasControlCharacter(text.value)) return { wrong: 'holds a line break: write it on one line' };
  return { value: new Secret(text.value) };
}
