import { type Layer, namedLayer, type Setting } from './layer.ts';
import { CONFIG_FILE_FLAG, flagOf, type Option } from './options.ts';
import { CONFIG_OPTIONS } from './schema.ts';

/** Flags by name without dashes, as `parseArgs` of node:util returns them; unknown names are ignored. */
export type Flags = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** Every flag that sets an option, in the order of the schema, with the fields of a flag of a command. */
export function optionFlags(options: readonly Option[]) {
  return options.flatMap((option) => {
    const { description, choices: value = 'VALUE', kind, fallback, path } = option;
    const name = flagOf(option);
    if (name === undefined) return [];
    const completes = kind === 'path' ? ('file' as const) : undefined;
    const repeatable = kind === 'texts' || path.includes('[]');
    const suffix = fallback === '' ? '' : ` Default: ${fallback}.`;
    return [{ name, value, completes, description: `${description}${suffix}`, repeatable }];
  });
}

/** Every flag of the configuration. */
export const CONFIGURATION_FLAGS = [
  {
    name: CONFIG_FILE_FLAG,
    value: 'VALUE',
    completes: 'file' as const,
    description: 'The YAML file with the configuration.',
    repeatable: false,
  },
  ...optionFlags(CONFIG_OPTIONS),
];

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
