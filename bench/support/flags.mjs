import { parseArgs } from 'node:util';

/** @typedef {{ fallback: string | number, help: string }} Flag */
/**
 * @template {Record<string, Flag>} Flags
 * @typedef {{ -readonly [Name in keyof Flags]: Flags[Name]['fallback'] extends number ? number : string }} ValuesOf
 */

/**
 * A flag of a bench; if it is a number by default, only a number can be given.
 * @template {string | number} Fallback
 * @param {Fallback} fallback
 * @param {string} help
 */
export const flag = (fallback, help) => ({ fallback, help });

/**
 * @template {Record<string, Flag>} Flags
 * @param {readonly string[]} args
 * @param {Flags} flags
 * @returns {ValuesOf<Flags>}
 */
export function readFlags(args, flags) {
  const names = Object.keys(flags);
  const options = Object.fromEntries(names.map((name) => [name, { type: /** @type {const} */ ('string') }]));
  const { values } = parseArgs({ args: [...args], options });
  const entries = Object.entries(flags).map(([name, { fallback }]) => {
    const given = values[name];
    if (given === undefined) return [name, fallback];
    if (typeof fallback === 'string') return [name, given];
    if (given === '' || !Number.isFinite(Number(given)))
      throw new Error(`--${name} wants a number, not '${given}'`);
    return [name, Number(given)];
  });
  return Object.fromEntries(entries);
}

/** A line for each flag, with its default. @param {Record<string, Flag>} flags */
export function helpOf(flags) {
  const written = Object.entries(flags).map(
    ([name, { fallback, help }]) =>
      /** @type {const} */ ([`--${name} ${fallback === '' ? "''" : fallback}`, help]),
  );
  const width = Math.max(...written.map(([flag]) => flag.length));
  return written.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`).join('\n');
}
