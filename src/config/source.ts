import { isDeepStrictEqual } from 'node:util';
import { failed, ok, type Result } from '../lib/result.ts';
import { loadConfig, type Sources } from './load.ts';
import { ConfigError } from './problem.ts';
import type { Config } from './schema.ts';

export type ConfigSource = ReturnType<typeof createConfigSource>;

/** Loads the configuration; throws a ConfigError. */
export function createConfigSource(sources: Sources) {
  let current = loadConfig(sources);
  return {
    get current(): Config {
      return current;
    },
    /** After a failed reload the previous configuration stays current. */
    reload(): Result<Config, ConfigError> {
      try {
        current = loadConfig(sources);
        return ok(current);
      } catch (error) {
        if (error instanceof ConfigError) return failed(error);
        throw error;
      }
    },
  };
}

/** The changed options that are read only at the start. */
export function needsRestart(before: Config, after: Config): string[] {
  const sections = (['web', 'log', 'state', 'audit', 'memory', 'path'] as const).filter(
    (name) => !isDeepStrictEqual(before[name], after[name]),
  );
  const engine = (['publish', 'telemetry_path'] as const).filter(
    (name) => before.engine[name] !== after.engine[name],
  );
  return [...sections, ...engine.map((name) => `engine.${name}`)];
}
