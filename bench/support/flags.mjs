import { parseArgs } from 'node:util';

/**
 * Flags with defaults: a number's flag must be a number, a text's may be anything.
 * @template {Record<string, string | number>} Defaults
 * @param {readonly string[]} args
 * @param {Defaults} defaults
 * @returns {{ [Name in keyof Defaults]: Defaults[Name] extends number ? number : string }}
 */
export function readFlags(args, defaults) {
  const names = Object.keys(defaults);
  const options = Object.fromEntries(names.map((name) => [name, { type: /** @type {const} */ ('string') }]));
  const { values } = parseArgs({ args: [...args], options });
  const entries = Object.entries(defaults).map(([name, fallback]) => {
    const given = values[name];
    if (given === undefined) return [name, fallback];
    if (typeof fallback === 'string') return [name, given];
    if (!Number.isFinite(Number(given))) throw new Error(`--${name} wants a number, not '${given}'`);
    return [name, Number(given)];
  });
  return Object.fromEntries(entries);
}
