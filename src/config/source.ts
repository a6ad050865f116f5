import { environmentLayer, routerKeyLayer } from './environment.ts';
import { flagLayer } from './flags.ts';
import { configFileOf, loadConfig, type Sources } from './load.ts';
import { optionsOf } from './options.ts';
import { ConfigError } from './problem.ts';
import type { Config } from './schema.ts';

/** What came of a reload; after a failed one the configuration before it stays current. */
export type Reload =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly error: ConfigError };

/** The configuration in force, and how to read it anew. */
export interface ConfigSource {
  readonly current: Config;
  reload(): Reload;
}

/** Loads the configuration (throws a ConfigError) and keeps where it came from, for reloads. */
export function createConfigSource(sources: Sources): ConfigSource {
  let current = loadConfig(sources);
  return {
    get current() {
      return current;
    },
    reload() {
      try {
        current = loadConfig(sources);
        return { ok: true, config: current };
      } catch (error) {
        if (error instanceof ConfigError) return { ok: false, error };
        throw error;
      }
    },
  };
}

/** Everything that a configuration is made of, for the log: `config.yml, LLAMA_SERVER_URL, --log.level`. */
export function describeSource(sources: Sources): string {
  const options = optionsOf();
  const layers = [
    environmentLayer(sources.env, options),
    routerKeyLayer(sources.env),
    flagLayer(sources.flags, options),
  ];
  const names = [configFileOf(sources) ?? [], ...layers.map((layer) => layer.names)].flat();
  return names.length === 0 ? 'defaults' : names.join(', ');
}
