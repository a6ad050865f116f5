import type { Option } from './options.ts';

/** What every variable of ours begins with. */
export const VARIABLE_PREFIX = 'LLAMA_ROUTER_EXPORTER_';

/** The variable of an option; undefined for what stands in a list, unless it has one of its own. */
export function variableOf({ path, env }: Option): string | undefined {
  if (env !== undefined) return env;
  return path.includes('[]') ? undefined : `${VARIABLE_PREFIX}${path.join('_').toUpperCase()}`;
}

/**
 * The flag of an option without its dashes (`web.listen-address`); undefined for what stands in a list, unless it
 * has one of its own, and for secrets: every user of a machine sees the arguments of its programs.
 */
export function flagOf({ path, flag, kind }: Option): string | undefined {
  if (flag !== undefined) return flag;
  return path.includes('[]') || kind === 'secret' ? undefined : path.join('.').replaceAll('_', '-');
}

/** What names the configuration file itself. */
export const CONFIG_FILE_FLAG = 'config.file';
export const CONFIG_FILE_VARIABLE = `${VARIABLE_PREFIX}CONFIG_FILE`;
