import { GUIDE } from './guide.ts';
import { CONFIG_FILE_FLAG, CONFIG_FILE_VARIABLE, flagOf, variableOf } from './names.ts';
import { nodesOf, type Option } from './options.ts';
import { formatPlace } from './place.ts';
import { configSchema } from './schema.ts';

/** The page docs/configuration.md: the guide, then a table of options for every section of the schema. */
export function configurationDocument(): string {
  const nodes = nodesOf(configSchema);
  const sections = nodes.filter(({ kind, path }) => kind === 'section' && path.length === 1);
  return [
    '# Configuration',
    '<!-- Generated from src/config/schema.ts by `npm run generate`: edit there. -->',
    GUIDE,
    '## Options',
    `The file itself is named by \`--${CONFIG_FILE_FLAG}\` or \`${CONFIG_FILE_VARIABLE}\`.`,
    ...sections.flatMap((section) => sectionParts(section, nodes)),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

function sectionParts(section: Option, nodes: readonly Option[]): string[] {
  const inside = nodes.filter(({ kind, path }) => kind !== 'section' && path[0] === section.path[0]);
  return [`### ${section.path[0]}`, section.description, table(inside)];
}

function table(options: readonly Option[]): string {
  const rows = options.map((option) => [
    code(formatPlace(option.path)),
    option.type,
    fallbackOf(option),
    option.description,
    code(withDashes(flagOf(option))),
    code(variableOf(option)),
  ]);
  const head = ['Option', 'Type', 'Default', 'Description', 'Flag', 'Variable'];
  return [head, head.map(() => '---'), ...rows].map(row).join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function fallbackOf({ fallback, path }: Option): string {
  // The default of a name is words, not a value.
  return path.at(-1) === 'name' ? fallback : code(fallback || undefined);
}

function withDashes(flag: string | undefined): string | undefined {
  return flag === undefined ? undefined : `--${flag}`;
}

function code(text: string | undefined): string {
  return text === undefined ? '' : `\`${text}\``;
}
