import { formatPlace, type Place } from './options.ts';
import type { ConfigProblem } from './problem.ts';

/** A mapping of options as written, unchecked. */
export type Tree = Record<string, unknown>;

/** The options of one source: the file, the environment or the flags. */
export interface Layer {
  readonly tree: Tree;
  /** What relative paths are relative to; undefined: the working directory. */
  readonly directory?: string;
  /** Where the source has this place or something around it; undefined when it has neither. */
  locate(place: Place): Pick<ConfigProblem, 'source' | 'key'> | undefined;
}

/** A variable or flag, and the value that it sets at a path. */
export interface Setting {
  readonly name: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

export function namedLayer(settings: readonly Setting[]): Layer {
  const trees = settings.map(({ path, value }) =>
    path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value),
  );
  const locate = (place: Place) => {
    const setting = settings.find(({ path }) => path.every((step, i) => place[i] === step));
    if (setting === undefined) return undefined;
    return { source: setting.name, key: setting.path.length === place.length ? '' : formatPlace(place) };
  };
  return { tree: (trees as Tree[]).reduce(merge, {}), locate };
}

/** Both trees in one; `over` wins option by option, and lists are replaced as a whole. */
export function merge(under: Tree, over: Tree): Tree {
  const merged = { ...under };
  for (const [key, upper] of Object.entries(over)) {
    const lower = Object.hasOwn(under, key) ? under[key] : undefined;
    if (!isTree(upper) || lower === undefined) merged[key] = upper ?? lower;
    // A section that is not a mapping stays: the schema reports it.
    else merged[key] = isTree(lower) ? merge(lower, upper) : lower;
  }
  return merged;
}

/** Every mapping that has or could have the option at `path`, with the mapping's place. */
export function holdersOf(value: unknown, path: readonly string[], place: Place = []): [Tree, Place][] {
  const [step, ...rest] = path;
  if (step === '[]') {
    const elements: unknown[] = Array.isArray(value) ? value : [];
    return elements.flatMap((element, index) => holdersOf(element, rest, [...place, index]));
  }
  if (!isTree(value) || step === undefined) return [];
  return rest.length === 0 ? [[value, place]] : holdersOf(value[step], rest, [...place, step]);
}
