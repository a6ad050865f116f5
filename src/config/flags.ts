import { type Layer, namedLayer, type Setting } from './layer.ts';
import { CONFIG_FILE_FLAG, flagOf, type Option } from './options.ts';
import { CONFIG_OPTIONS } from './schema.ts';

/** Flags by name without dashes, as `parseArgs` of node:util returns them; unknown names are ignored. */
export type Flags = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

const CONFIG_FILE = {
  flag: CONFIG_FILE_FLAG,
  description: 'The YAML file with the configuration.',
  default: '',
  multiple: false,
  isPath: true,
  choices: undefined,
};

/** Every flag that sets an option, without dashes, in the order of the schema, `--config.file` first. */
export function optionFlags(options: readonly Option[] = CONFIG_OPTIONS) {
  const flags = options.flatMap((option) => {
    const flag = flagOf(option);
    if (flag === undefined) return [];
    const multiple = option.kind === 'texts' || option.path.includes('[]');
    const { description, choices, kind } = option;
    return [{ flag, description, default: option.fallback, multiple, isPath: kind === 'path', choices }];
  });
  return [CONFIG_FILE, ...flags];
}

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
