import { z } from 'zod';
import { Secret } from '../lib/secret.ts';
import { parseListenAddress, parseRouterUrl, parseTelemetryPath } from './address.ts';
import {
  hasControlCharacter,
  LONGEST_DURATION,
  type Parsed,
  parseChoice,
  parseCount,
  parseHeaderValue,
  parseLabels,
  parseMatchers,
  parseSeconds,
  parseText,
  parseTexts,
  parseToggle,
} from './values.ts';

/** How an option is treated: paths are relative to their file, a secret has a `_file` twin and no flag. */
export type Kind = 'scalar' | 'toggle' | 'texts' | 'path' | 'paths' | 'labels' | 'secret' | 'section';

/** What help and documentation say about an option; `type` with its unit and bounds, for people. */
export interface OptionMeta {
  readonly kind: Kind;
  readonly type: string;
  readonly description: string;
  /** As it would be written in the file; empty when there is none. */
  readonly fallback: string;
  /** Only where the name does not follow from the place, as for the elements of a list. */
  readonly env?: string;
  readonly flag?: string;
}

/** What is known of each schema beyond its type. */
export const options = z.registry<OptionMeta>();

interface Names {
  readonly env?: string;
  readonly flag?: string;
}

/** A time span, in seconds once loaded, at least `min` and at most what a timer holds. */
export const duration = (fallback: string, min: string, description: string) =>
  scalar(fallback, `duration, at least ${min}`, description, (v) => parseSeconds(v, min, LONGEST_DURATION));

/** A time span that must be given where it stands. */
export const requiredDuration = (min: string, description: string) =>
  parsed((v) =>
    v === undefined ? { wrong: 'is missing' } : parseSeconds(v, min, LONGEST_DURATION),
  ).register(options, { kind: 'scalar', type: `duration, at least ${min}`, description, fallback: '' });

/** Free text. */
export const text = (fallback: string, description: string) =>
  scalar(fallback, 'text', description, parseText);

/** The value of an HTTP header; numbers count as text. */
export const headerValue = (description: string) => scalar('', 'text', description, parseHeaderValue);

/** One of a few words, the default first given. */
export const choice = <const C extends string>(fallback: C, choices: readonly C[], description: string) =>
  scalar(fallback, choices.join(', '), description, (value) => parseChoice(value, choices));

/** One of a few words, or none. */
export const optionalChoice = <const C extends string>(choices: readonly C[], description: string) =>
  scalar<C | ''>('', choices.join(', '), description, (value) =>
    value === '' ? { value } : parseChoice(value, choices),
  );

/** Something that is on or off. */
export const toggle = (fallback: boolean, description: string) =>
  scalar(String(fallback), 'true or false', description, parseToggle, 'toggle');

/** A whole number. */
export const count = (
  fallback: number,
  description: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {},
) => scalar(String(fallback), `whole number, at least ${min}`, description, (v) => parseCount(v, min, max));

/** Several texts: a list in the file, separated by commas in a variable, a repeated flag. */
export const texts = (description: string, fallback = '') =>
  scalar(fallback, 'list of texts', description, parseTexts, 'texts');

/** Several paths, each as `path` treats one. */
export const paths = (description: string) => scalar('', 'list of paths', description, parseTexts, 'paths');

/** Labels with their values: a mapping in the file. */
export const labels = (description: string) => scalar('', 'mapping', description, parseLabels, 'labels');

/** Conditions on labels that all must hold: a list in the file, separated by commas in a variable. */
export const matchers = (fallback: string, description: string) =>
  scalar(fallback, 'list of matchers', description, parseMatchers, 'texts');

/** Text that is never empty, on one line. */
export const visibleText = (fallback: string, description: string) =>
  scalar(fallback, 'text', description, parseLabel);

/** Text that is required where it stands, never empty. */
export const requiredText = (description: string) =>
  parsed(parseLabel).register(options, { kind: 'scalar', type: 'text', description, fallback: '' });

/** Several of the known words. */
export const words = (description: string, known: readonly string[]) =>
  scalar('', 'list of texts', description, (value) => parseWords(value, known), 'texts');

/** A file or directory; relative to the configuration file when named there. Empty: none. */
export const path = (fallback: string, description: string, names: Names = {}) =>
  scalar(fallback, 'path', description, parseText, 'path', names);

/** `host:port` to listen on. */
export const listenAddress = (fallback: string, description: string) =>
  scalar(fallback, 'host:port', description, parseListenAddress);

/** The path part of a URL on our own server. */
export const urlPath = (fallback: string, description: string) =>
  scalar(fallback, 'URL path', description, parseTelemetryPath);

/** A router's address, required where it stands. */
export const routerUrl = (description: string, names: Names & { fallback: string }) =>
  parsed(parseRouterUrl).register(options, { kind: 'scalar', type: 'URL', description, ...names });

/** Text that may be left out, never empty, without control characters: it becomes a label. */
export const label = (description: string, fallback: string) =>
  parsed(parseLabel).optional().register(options, { kind: 'scalar', type: 'text', description, fallback });

/** Such text, required where it stands. */
export const requiredLabel = (description: string) =>
  parsed(parseLabel).register(options, { kind: 'scalar', type: 'text', description, fallback: '' });

/** A credential: `KEY` or, to be read when the configuration is loaded, `KEY_file`. */
export const secret = (description: string, names: Names = {}) =>
  z
    .instanceof(Secret)
    .optional()
    .register(options, { kind: 'secret', type: 'secret', description, fallback: '', ...names });

/** A mapping of options (and further sections), frozen once loaded. */
export const section = <S extends z.ZodRawShape>(description: string, shape: S) =>
  z
    .strictObject(shape)
    .readonly()
    .prefault(() => ({}) as never)
    .register(options, { kind: 'section', type: '', description, fallback: '' });

function scalar<T>(
  fallback: string,
  type: string,
  description: string,
  parse: (value: unknown) => Parsed<T>,
  kind: Kind = 'scalar',
  names: Names = {},
) {
  return parsed(parse)
    .prefault(fallback)
    .register(options, { kind, type, description, fallback, ...names });
}

/** A schema that is one parser of ours; its words become the message. */
function parsed<T>(parse: (value: unknown) => Parsed<T>) {
  return z.unknown().transform((value, ctx): T => {
    const result = parse(value);
    if ('value' in result) return result.value;
    ctx.addIssue({ code: 'custom', message: result.wrong });
    return z.NEVER;
  });
}

function parseWords(value: unknown, known: readonly string[]): Parsed<readonly string[]> {
  const list = parseTexts(value);
  if ('wrong' in list) return list;
  const strange = list.value.find((word) => !known.includes(word));
  return strange === undefined ? list : { wrong: `'${strange}' is none of ${known.join(', ')}` };
}

function parseLabel(value: unknown): Parsed<string> {
  const name = parseText(value);
  if ('wrong' in name) return name;
  if (name.value.trim() === '' || hasControlCharacter(name.value)) {
    return { wrong: 'must be visible text on one line' };
  }
  return name;
}
