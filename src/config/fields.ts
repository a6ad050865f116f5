import * as z from 'zod';
import { ok } from '../lib/result.ts';
import { Secret } from '../lib/secret.ts';
import { isTree } from './layer.ts';
import { type OptionMeta, options } from './options.ts';
import {
  type Parsed,
  parseChoice,
  parseCount,
  parseLabels,
  parseList,
  parseSeconds,
  parseText,
  parseToggle,
  parseVisibleText,
  UNUSABLE,
} from './values.ts';

type Parser<T> = (value: unknown) => Parsed<T>;

type OptionExtra = Partial<OptionMeta>;

/** An option with a default, as written in the file. */
export function option<T>(
  fallback: string,
  type: string,
  description: string,
  parse: Parser<T>,
  extra: OptionExtra = {},
) {
  return required(type, description, (value = fallback) => parse(value), { fallback, ...extra });
}

export function required<T>(type: string, description: string, parse: Parser<T>, extra: OptionExtra = {}) {
  return parsed(parse).register(options, meta(type, description, extra));
}

/** An option without a default, absent unless it is given. */
export function optional<T>(type: string, description: string, parse: Parser<T>, extra: OptionExtra = {}) {
  return parsed(parse)
    .optional()
    .register(options, meta(type, description, extra));
}

function meta(type: string, description: string, extra: OptionExtra): OptionMeta {
  return { kind: 'scalar', type, description, fallback: '', ...extra };
}

/** A schema of one parser, with the parser's words as message. */
function parsed<T>(parse: Parser<T>) {
  return z.transform((value: unknown, ctx): T => {
    const result = parse(value);
    if (result.ok) return result.value;
    ctx.addIssue({ code: 'custom', message: result.fault });
    return z.NEVER;
  });
}

/** A time span, in seconds once loaded, at least `min` and at most 24 days. */
export const duration = (fallback: string, min: string, description: string) =>
  option(fallback, `duration, at least ${min}`, description, (value) => parseSeconds(value, min));

export const text = (fallback: string, description: string) =>
  option(fallback, 'text', description, parseText);

export const requiredText = (description: string) => required('text', description, parseVisibleText);

export const choice = <const C extends string>(fallback: C, choices: readonly C[], description: string) =>
  option(fallback, choices.join(', '), description, (value) => parseChoice(value, choices), {
    choices,
  });

export const toggle = (fallback: boolean, description: string) =>
  option(String(fallback), 'true or false', description, parseToggle, { choices: ['true', 'false'] });

export const count = (
  fallback: number,
  description: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {},
) => option(String(fallback), `whole number, at least ${min}`, description, (v) => parseCount(v, min, max));

/** A list in the file, separated by commas in a variable, a repeated flag. */
export const texts = (description: string, fallback = '', parse: (text: string) => Parsed<string> = ok) =>
  option(fallback, 'list of texts', description, (v) => parseList(v, parse), { kind: 'texts' });

export const labels = (description: string) =>
  option('', 'mapping', description, parseLabels, { kind: 'labels' });

/** A file or directory; relative to the configuration file when named there. */
export const path = (fallback: string, description: string, extra: OptionExtra = {}) =>
  option(fallback, 'path', description, parseText, { kind: 'path', ...extra });

/** A credential: `KEY`, or `KEY_file`, which is read when the configuration is loaded. */
export const secret = (description: string, extra: OptionExtra = {}) =>
  z
    .instanceof(Secret)
    .optional()
    .register(options, meta('secret', description, { kind: 'secret', ...extra }));

/** For checks that run also when an option is invalid. */
export const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0;

/** Reports what is wrong at a place within a mapping. */
export type Wrong = (path: string[], message: string) => void;

/**
 * A mapping with checks of several options. They run also when an option is invalid (and then of any type), to report
 * all problems at once.
 */
export const checked = <S extends z.ZodType>(
  schema: S,
  ...checks: readonly ((value: z.output<S>, wrong: Wrong) => void)[]
): S =>
  schema.superRefine(
    (value, ctx) => {
      const wrong: Wrong = (path, message) => ctx.addIssue({ code: 'custom', path, message });
      for (const check of checks) check(value, wrong);
    },
    { when: ({ value }) => isTree(value) },
  );

/** A mapping of options and sections, frozen once loaded. */
export const section = <S extends z.ZodRawShape>(description: string, shape: S) =>
  z
    .strictObject(shape)
    .readonly()
    .prefault(() => ({}) as never)
    .register(options, meta('', description, { kind: 'section' }));

/** A list of mappings. No two elements may have the same value at a key of `unique`. */
export const list = <E extends z.ZodType>(
  place: string,
  description: string,
  element: E,
  unique: readonly string[] = [],
) =>
  z
    .array(element)
    // Also when an element has a problem, to report all problems at once.
    .superRefine((elements, ctx) => checkUnique(place, unique, elements, ctx), {
      when: ({ value }) => Array.isArray(value),
    })
    .readonly()
    .prefault([])
    .register(options, meta('list', description, { kind: 'section' }));

function checkUnique(
  place: string,
  keys: readonly string[],
  elements: readonly unknown[],
  ctx: z.core.$RefinementCtx,
): void {
  const first = new Map<string, number>();
  for (const [index, element] of elements.entries()) {
    for (const key of keys) {
      const value = comparable(element, key);
      if (value === undefined) continue;
      const same = first.get(`${key} ${value}`);
      first.set(`${key} ${value}`, same ?? index);
      if (same === undefined) continue;
      const named = key === 'name' ? `'${value}' ` : '';
      const message = `${named}is the same as ${place}[${same}].${key}: each must be different`;
      ctx.addIssue({ code: 'custom', path: [index, key], message });
      break;
    }
  }
}

/** The value of a key as text; undefined when it is missing or invalid. */
function comparable(element: unknown, key: string): string | undefined {
  const value = ((element ?? {}) as Record<string, unknown>)[key];
  if (value instanceof Secret) return value === UNUSABLE ? undefined : value.reveal();
  return typeof value === 'string' ? value : undefined;
}
