import { type Layer, namedLayer, type Setting } from './layer.ts';
import { CONFIG_FILE_FLAG, CONFIG_FILE_VARIABLE, flagOf, variableOf } from './names.ts';
import { type Option, optionsOf } from './options.ts';
import { formatPlace } from './place.ts';

/** Flags by name without dashes, as `parseArgs` of node:util gives them; names that are no options are ignored. */
export type Flags = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** A flag for the help text and for `parseArgs`. */
export interface OptionFlag {
  /** Without its dashes: `web.listen-address`. */
  readonly flag: string;
  readonly env: string;
  /** The option in the file: `web.listen_address`; empty for the file itself. */
  readonly path: string;
  readonly description: string;
  /** As it would be written; empty when there is none. */
  readonly default: string;
  /** With unit and bounds, for people: `duration, at least 1s`. */
  readonly type: string;
  /** Takes no value; `--no-FLAG` turns it off. */
  readonly boolean: boolean;
  /** May be given several times. */
  readonly multiple: boolean;
}

const CONFIG_FILE: OptionFlag = {
  flag: CONFIG_FILE_FLAG,
  env: CONFIG_FILE_VARIABLE,
  path: '',
  description: 'The YAML file with the configuration.',
  default: '',
  type: 'path',
  boolean: false,
  multiple: false,
};

/** Every flag that sets an option, in the order of the schema, `--config.file` first. */
export function optionFlags(options: readonly Option[] = optionsOf()): OptionFlag[] {
  const flags = options.flatMap((option): OptionFlag[] => {
    const flag = flagOf(option);
    if (flag === undefined) return [];
    const { description, fallback, type, kind, path } = option;
    return [
      {
        flag,
        env: variableOf(option) ?? '',
        path: formatPlace(path),
        description,
        default: fallback,
        type,
        boolean: kind === 'toggle',
        multiple: kind === 'texts' || path.includes('[]'),
      },
    ];
  });
  return [CONFIG_FILE, ...flags];
}

/** The flags as the `options` of `parseArgs`. */
export function parseArgsOptions(
  flags: readonly OptionFlag[] = optionFlags(),
): Record<string, { type: 'string' | 'boolean'; multiple: boolean }> {
  return Object.fromEntries(
    flags.map(({ flag, boolean, multiple }) => [flag, { type: boolean ? 'boolean' : 'string', multiple }]),
  );
}

/** What the flags say. */
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
