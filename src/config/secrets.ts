import { resolve } from 'node:path';
import { failed, ok } from '../lib/result.ts';
import { Secret } from '../lib/secret.ts';
import { readText } from './file.ts';
import { holdersOf, type Layer, type Tree } from './layer.ts';
import { fileTwin, type Option, type Place } from './options.ts';
import { type ConfigProblem, locate } from './problem.ts';
import { hasControlCharacter, type Parsed, parseText, UNUSABLE } from './values.ts';

/** Makes the paths of a layer relative to its directory; changes its tree. */
export function resolvePaths({ tree, directory }: Layer, options: readonly Option[]): void {
  if (directory === undefined) return;
  const absolute = (file: unknown) =>
    typeof file === 'string' && file !== '' ? resolve(directory, file) : file;
  for (const { kind, path } of options) {
    if (kind !== 'path' && kind !== 'paths') continue;
    const key = path.at(-1) ?? '';
    for (const [holder] of holdersOf(tree, path)) {
      const { [key]: written } = holder;
      const isText = kind === 'paths' && typeof written === 'string';
      const files = isText ? written.split(',').map((file) => file.trim()) : written;
      holder[key] = Array.isArray(files) ? files.map(absolute) : absolute(files);
    }
  }
}

/**
 * Replaces every credential of a layer by a `Secret`, read from its `_file` if that is named, before anything else
 * reads the tree. Changes the tree and returns the problems.
 */
export function hideSecrets(layer: Layer, options: readonly Option[]): ConfigProblem[] {
  const secrets = options.filter(({ kind }) => kind === 'secret');
  return secrets.flatMap((option) =>
    holdersOf(layer.tree, option.path).flatMap(([holder, place]) => hideSecret(layer, holder, place, option)),
  );
}

function hideSecret(
  layer: Layer,
  holder: Tree,
  place: Place,
  { path, isKeyList = false }: Option,
): ConfigProblem[] {
  const key = path.at(-1) ?? '';
  const fileKey = fileTwin(path).at(-1) ?? '';
  const { [key]: written, [fileKey]: file } = holder;
  delete holder[key];
  delete holder[fileKey];
  if (written === undefined && file === undefined) return [];
  const text = secretText(written, file);
  const secret = text.ok
    ? parseSecret(isKeyList ? firstKey(text.value, file !== undefined) : text.value)
    : text;
  holder[key] = secret.ok ? secret.value : UNUSABLE;
  if (secret.ok) return [];
  const at = written === undefined ? fileKey : key;
  const message = text.ok && file !== undefined ? `${file} ${secret.fault}` : secret.fault;
  return [{ ...locate([...place, at], [layer]), message }];
}

/** The text of a secret, from its file if that is named. */
function secretText(written: unknown, file: unknown): Parsed<string> {
  if (file === undefined) return parseText(written);
  if (written !== undefined) return failed('is given both directly and by a file: keep one of them');
  if (typeof file !== 'string' || file === '') return failed('must be the path of a file');
  const text = readText(file);
  return text.ok ? ok(text.value.replace(/\r?\n$/, '')) : failed(`${file} ${text.fault}`);
}

function parseSecret(text: string): Parsed<Secret> {
  if (text === '') return failed('is empty: write the secret there, or leave it out');
  // A header cannot contain it: every request would fail.
  if (hasControlCharacter(text)) return failed('has a line break: write it on one line');
  return ok(new Secret(text));
}

/**
 * The first key of a list as llama-server reads it: lines, of which empty ones and those that begin with # are left
 * out (--api-key-file), or separated by commas, with quotes around a key that contains one (--api-key).
 */
function firstKey(text: string, isFile: boolean): string {
  const lines = text.split(/\r?\n/);
  const hasComments = isFile || lines.length > 1;
  const line = hasComments ? lines.find((each) => each !== '' && !each.startsWith('#')) : text;
  const fields = (line ?? '').matchAll(/"((?:[^"]|"")*)"(?=,|$)|[^,]+/g);
  const [field = '', quoted] = fields.next().value ?? [];
  return quoted?.replaceAll('""', '"') ?? field;
}
