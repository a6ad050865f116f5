import * as z from 'zod';

/** How an option is treated: paths are relative to their file; a secret has a `_file` twin and no flag. */
export type Kind = 'scalar' | 'texts' | 'path' | 'paths' | 'labels' | 'secret' | 'section';

/** What help and documentation say about an option. */
export interface OptionMeta {
  readonly kind: Kind;
  /** With its unit and bounds: `duration, at least 1s`. */
  readonly type: string;
  readonly description: string;
  /** The default as written in the file; empty when there is none. */
  readonly fallback: string;
  /** Only where the name does not follow from the path, as for elements of a list. */
  readonly env?: string | undefined;
  readonly flag?: string | undefined;
  /** The only values, as written in the file. */
  readonly choices?: readonly string[] | undefined;
  /** A secret that may be a list as llama-server reads it, of which the first is used. */
  readonly isKeyList?: boolean | undefined;
}

export const options = z.registry<OptionMeta>();

/** An option with its path: `['routers', '[]', 'url']`, where `[]` stands for every element of a list. */
export interface Option extends OptionMeta {
  readonly path: readonly string[];
}

/** A place in a configuration: `['routers', 1, 'url']`. */
export type Place = readonly (string | number)[];

/** `routers[1].url`, or `routers[].url` for every element. */
export function formatPlace(place: Place): string {
  return place.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return step === '[]' || text === '' ? `${text}${step}` : `${text}.${step}`;
  }, '');
}

export const VARIABLE_PREFIX = 'LLAMA_ROUTER_EXPORTER_';

/** The flag and the variable that name the configuration file. */
export const CONFIG_FILE_FLAG = 'config.file';
export const CONFIG_FILE_VARIABLE = `${VARIABLE_PREFIX}CONFIG_FILE`;

/** The variable of an option; undefined in a list, unless the option names one. */
export function variableOf({ path, env }: Option): string | undefined {
  if (env !== undefined) return env;
  return path.includes('[]') ? undefined : `${VARIABLE_PREFIX}${path.join('_').toUpperCase()}`;
}

/** Sections of long-term policy, which belongs in the file. */
const SECTIONS_WITHOUT_FLAGS = ['alerts', 'hold', 'lifecycle'];

/**
 * The flag of an option without dashes (`web.listen-address`); undefined in a list, unless the option names one, and
 * for secrets, because every user of a machine can see the arguments of its programs.
 */
export function flagOf({ path, flag, kind }: Option): string | undefined {
  if (flag !== undefined) return flag;
  const [section = ''] = path;
  if (path.includes('[]') || kind === 'secret' || SECTIONS_WITHOUT_FLAGS.includes(section)) return undefined;
  return path.join('.').replaceAll('_', '-');
}

/** Every section and option of a schema in its order, a section before its contents. */
export function nodesOf(schema: z.core.$ZodType, path: readonly string[] = []): Option[] {
  const meta = options.get(schema);
  const own = meta === undefined ? [] : withFile({ ...meta, path });
  return [...own, ...childrenOf(schema, path)];
}

/** The keys that a mapping at this place may have, in the order of the schema. */
export function keysAt(nodes: readonly Option[], place: Place): string[] {
  const section = place.map((step) => (typeof step === 'number' ? '[]' : step));
  const inside = nodes.filter(({ path }) => section.every((step, i) => path[i] === step));
  return [...new Set(inside.flatMap(({ path }) => path[section.length] ?? []))];
}

/** A secret and the option that names a file with it: `api_key`, `api_key_file`. */
function withFile(option: Option): Option[] {
  if (option.kind !== 'secret') return [option];
  const file: Option = {
    path: fileTwin(option.path),
    kind: 'path',
    type: 'path',
    description: option.isKeyList
      ? "A file with the key, also llama-server's own file of several keys."
      : `A file with the value of \`${option.path.at(-1)}\`; one newline at its end is ignored.`,
    fallback: '',
    env: option.env === undefined ? undefined : `${option.env}_FILE`,
  };
  return [option, file];
}

/** Where the file of a secret is named: `api_key` → `api_key_file`. */
export function fileTwin(path: readonly string[]): string[] {
  return [...path.slice(0, -1), `${path.at(-1)}_file`];
}

function childrenOf(schema: z.core.$ZodType, path: readonly string[]): Option[] {
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, child]) => nodesOf(child, [...path, key]));
  }
  if (schema instanceof z.ZodArray) return nodesOf(schema.element, [...path, '[]']);
  if (schema instanceof z.ZodPipe) return childrenOf(schema.in, path);
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodReadonly || schema instanceof z.ZodOptional) {
    return childrenOf(schema.unwrap(), path);
  }
  return [];
}
