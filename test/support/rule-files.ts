import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const rulesFolder = fileURLToPath(new URL('../../prometheus/rules', import.meta.url));
export const ruleTestsFolder = fileURLToPath(new URL('../../prometheus/tests', import.meta.url));

/** A rule in its file: an alert or a recording rule. */
export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The YAML files of a folder, by their absolute paths. */
export function yamlFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yml'))
    .map((name) => join(folder, name));
}

/** Every rule of prometheus/rules. */
export function allRules(): Rule[] {
  return yamlFiles(rulesFolder).flatMap((file) =>
    (parse(readFileSync(file, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
      ({ rules }) => rules,
    ),
  );
}

/** The names of the series that an expression reads, each once. Labels, durations, functions and words are none. */
export function seriesOf(expr: string): string[] {
  const bare = expr
    .replace(/"[^"]*"/g, '')
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '');
  const names = bare.match(/(?<![\w:.])[a-zA-Z_:][\w:]*(?![\w:]*\s*\()/g) ?? [];
  return [...new Set(names)].filter((name) => !WORDS.has(name) && !/^\d/.test(name));
}

const WORDS = new Set(['and', 'or', 'unless', 'offset', 'by', 'without', 'on', 'ignoring', 'bool']);
