import { optionFlags } from '../config/flags.ts';
import type { Command, CommandFlag } from './command.ts';

/** The flags of the configuration that a command takes, without those that its own flags replace. */
export function configurationFlags({ configured, flags }: Command): CommandFlag[] {
  if (!configured) return [];
  const own = flags.map(({ name }) => name);
  return CONFIGURATION_FLAGS.filter(({ name }) => !own.includes(name));
}

/** Every flag of the configuration. */
export const CONFIGURATION_FLAGS = optionFlags().map((option): CommandFlag => {
  const isDefaultShown = option.default !== '';
  return {
    name: option.flag,
    value: option.choices ?? 'VALUE',
    completes: option.isPath ? 'file' : undefined,
    description: isDefaultShown ? `${option.description} Default: ${option.default}.` : option.description,
    repeatable: option.multiple,
  };
});
