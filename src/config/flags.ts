import { type Layer, namedLayer, type Setting } from './layer.ts';
import { CONFIG_FILE_FLAG, flagOf, type Option } from './options.ts';
import { CONFIG_OPTIONS } from './schema.ts';

/** Flags by name without dashes, as `parseArgs` of node:util returns them; unknown names are ignored. */
export type Flags = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** A flag that sets an option; its fields are those of a flag of a command. */
interface OptionFlag {
  /** Without dashes. */
  name: string;
  value: string | readonly string[];
  completes: 'file' | undefined;
  description: string;
  repeatable: boolean;
}

/** Every flag that sets an option, in the order of the schema. */
export function optionFlags(options: readonly Option[]): OptionFlag[] {
  return options.flatMap((option) => {
    const { description, choices = 'VALUE', kind, fallback, path } = option;
    const name = flagOf(option);
    if (name === undefined) return [];
    const repeatable = kind === 'texts' || path.includes('[]');
    return {
      name,
      value: choices,
      completes: kind === 'path' ? 'file' : undefined,
      description: fallback === '' ? description : `${description} Default: ${fallback}.`,
      repeatable,
    };
  });
}

/** Every flag of the configuration. */
export const CONFIGURATION_FLAGS: readonly OptionFlag[] = [
  {
    name: CONFIG_FILE_FLAG,
    value: 'VALUE',
    completes: 'file',
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
