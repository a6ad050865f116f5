import { z } from 'zod';
import { type OptionMeta, options } from './fields.ts';
import type { Place } from './place.ts';
import { configSchema } from './schema.ts';

/** An option and where it stands. */
export interface Option extends OptionMeta {
  /** Keys from the top; `[]` stands for every element of a list: `['routers', '[]', 'url']`. */
  readonly path: readonly string[];
}

/** Every section and option of the schema in its order, a section before what it holds. */
export function nodesOf(schema: z.core.$ZodType, path: readonly string[] = []): Option[] {
  const meta = options.get(schema);
  const own = meta === undefined ? [] : withFile({ ...meta, path });
  return [...own, ...childrenOf(schema, path)];
}

/** Every option of the schema in its order; sections are none. */
export function optionsOf(schema: z.core.$ZodType = configSchema): Option[] {
  return nodesOf(schema).filter(({ kind }) => kind !== 'section');
}

/** The keys that a mapping at this place may hold, in the schema's order. */
export function keysAt(nodes: readonly Option[], place: Place): string[] {
  const section = place.map((step) => (typeof step === 'number' ? '[]' : step));
  const inside = nodes.filter(({ path }) => section.every((step, i) => path[i] === step));
  return [...new Set(inside.flatMap(({ path }) => path[section.length] ?? []))];
}

/** Beside every secret stands the file it may be read from. */
function withFile(option: Option): Option[] {
  if (option.kind !== 'secret') return [option];
  const file: Option = {
    path: fileTwin(option.path),
    kind: 'path',
    type: 'path',
    description: `A file that holds \`${option.path.at(-1)}\` instead; one newline at its end is ignored.`,
    fallback: '',
    ...(option.env === undefined ? {} : { env: `${option.env}_FILE` }),
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
