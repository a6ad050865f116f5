import type { Config } from '../config/schema.ts';
import type { ConfigSource } from '../config/source.ts';
import type { Terminal } from './terminal.ts';

/** A flag of one command, beside those that set options of the configuration. */
export interface CommandFlag {
  name: string;
  description: string;
  /** What a value is called in the help; absent: the flag takes none. */
  value?: string;
  repeatable?: boolean;
  /** It is on unless `--no-NAME` is given: then its value is false. */
  negated?: boolean;
}

/** What a command is given: its own flags, its words, and the configuration. */
export interface Call {
  flags: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  words: readonly string[];
  /** Loads the configuration from file, environment and flags; throws a ConfigError. */
  configSource(): ConfigSource;
  config(): Config;
  terminal: Terminal;
  version: string;
}

/** One command of the program; `cli.ts` has the list. */
export interface Command {
  name: string;
  summary: string;
  /** What comes after the name, for the help: `MODEL…`. */
  words?: string;
  flags: readonly CommandFlag[];
  /** Whether it takes the flags of the configuration. */
  configured: boolean;
  /** Resolves to the exit code. */
  run(call: Call): Promise<number>;
}

/** The text of a flag that was given, undefined when it was not. */
export function textFlag(call: Call, name: string): string | undefined {
  const value = call.flags[name];
  return typeof value === 'string' ? value : undefined;
}

/** All texts of a repeatable flag. */
export function textFlags(call: Call, name: string): string[] {
  return [call.flags[name] ?? []].flat().filter((value) => typeof value === 'string');
}
