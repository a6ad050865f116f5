import { type Layer, namedLayer, type Setting } from './layer.ts';
import { CONFIG_FILE_FLAG, flagOf, type Option } from './options.ts';
import { CONFIG_OPTIONS } from './schema.ts';

/** Flags by name without dashes, as `parseArgs` of node:util returns them; unknown names are ignored. */
export type Flags = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** A flag for the help text and for `parseArgs`. */
export interface OptionFlag {
  /** Without dashes: `web.listen-address`. */
  readonly flag: string;
  readonly description: string;
  /** As written in the file; empty when there is none. */
  readonly default: string;
  /** May be given several times. */
  readonly multiple: boolean;
}

const CONFIG_FILE: OptionFlag = {
  flag: CONFIG_FILE_FLAG,
  description: 'The YAML file with the configuration.',
  default: '',
  multiple: false,
};

/** Every flag that sets an option, in the order of the schema, `--config.file` first. */
export function optionFlags(options: readonly Option[] = CONFIG_OPTIONS): OptionFlag[] {
  const flags = options.flatMap((option): OptionFlag[] => {
    const flag = flagOf(option);
    if (flag === undefined) return [];
    const { description, fallback, kind, path } = option;
    const multiple = kind === 'texts' || path.includes('[]');
    return [{ flag, description, default: fallback, multiple }];
  });
  return [CONFIG_FILE, ...flags];
}

/** The flags as `options` of `parseArgs`. */
export function parseArgsOptions(
  flags: readonly OptionFlag[] = optionFlags(),
): Record<string, { type: 'string'; multiple: boolean }> {
  return Object.fromEntries(flags.map(({ flag, multiple }) => [flag, { type: 'string', multiple }]));
}

/** The options in the flags. */
export function flagLayer(flags: Flags, options: readonly Option[]): Layer {
  const settings = options.flatMap((option): Setting[] => {
    const flag = flagOf(option);
    const value = flag === undefined ? undefined : flags[flag];
    if (flag === undefined || value === undefined) return [];
    if (!option.path.includes('[]')) return [{ name: `--${flag}`, path: option.path, value }];
    const [list = '', , key = ''] = option.path;
    return [{ name: `--${flag}`, path: [list], value: [value].flat().map((each) => ({ [key]: each })) }];
  });
  return namedLayer(settings);
}
