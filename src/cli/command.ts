import { EXPORTER_VARIABLE, processEnvironment } from '../config/environment.ts';
import type { Flags } from '../config/flags.ts';
import type { ConfigSource } from '../config/source.ts';
import type { Secret } from '../lib/secret.ts';
import { UsageError } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** What a shell completes a value or an argument with, where it cannot be seen from the words to choose from. */
export type Completed = 'file' | 'model';

/** A flag of one command, in addition to those of the configuration. */
export interface CommandFlag {
  name: string;
  description: string;
  /** Name of its value in the help, or the words to choose from; absent: the flag takes no value. */
  value?: string | readonly string[] | undefined;
  completes?: Completed | undefined;
  repeatable?: boolean;
  /** True unless `--no-NAME` is given. */
  negated?: boolean;
}

/** The arguments of a command, and what it works with. */
export interface Call {
  flags: Flags;
  /** Arguments that are not flags. */
  words: readonly string[];
  /**
   * Loads the configuration from file, environment and flags, except those of the command; `more` flags of the
   * configuration can be added. Throws a ConfigError.
   */
  configSource(more?: Flags): ConfigSource;
  terminal: Terminal;
}

/** What a command is. The code that runs it is loaded when it runs. */
export interface Command {
  name: string;
  summary: string;
  /** Arguments after the name, for the help: `MODEL…`, or the words to choose from; absent: none are allowed. */
  words?: string | readonly string[];
  completes?: Completed | undefined;
  flags: readonly CommandFlag[];
  /**
   * It runs another program: everything from the first word on is that program and its arguments, and when it cannot
   * run it, the exit code is `EXIT.notRun`.
   */
  runsProgram?: boolean;
  /** Whether it takes the flags of the configuration. */
  configured: boolean;
  load(): Promise<Run>;
}

/** Runs a command; resolves to the exit code. */
export type Run = (call: Call) => Promise<number>;

/** The value of a flag; undefined when it is not given. */
export function textFlag(call: Call, name: string): string | undefined {
  const value = call.flags[name];
  return typeof value === 'string' ? value : undefined;
}

/** The parsed value of a flag; undefined when it is not given. Throws a UsageError that says what it must be. */
export function parsedFlag<T>(
  call: Call,
  name: string,
  parse: (text: string) => T | undefined,
  expected: string,
): T | undefined {
  const text = textFlag(call, name);
  const value = text === undefined ? undefined : parse(text);
  if (text === undefined || value !== undefined) return value;
  throw new UsageError(`--${name} must be ${expected}, not '${text}'`);
}

/** The value of a flag that takes one of a few words. */
export function choiceFlag<T extends string>(call: Call, name: string, choices: readonly T[]): T | undefined {
  return parsedFlag(
    call,
    name,
    (text) => choices.find((word) => word === text),
    `one of ${choices.join(', ')}`,
  );
}

export function textFlags(call: Call, name: string): string[] {
  return [call.flags[name] ?? []].flat().filter((value) => typeof value === 'string');
}

export interface RemoteExporter {
  url: string;
  token: Secret | undefined;
}

/** The exporter named by `--exporter`; undefined without the flag. */
export function remoteExporterOf(call: Call): RemoteExporter | undefined {
  const url = textFlag(call, 'exporter');
  return url === undefined ? undefined : remoteExporter(call, url);
}

/** The exporter named by `--exporter` or a variable; the one on this machine without both. */
export function exporterOf(call: Call): RemoteExporter {
  const flag = textFlag(call, 'exporter') ?? processEnvironment()[EXPORTER_VARIABLE];
  return remoteExporter(call, flag || 'http://localhost:10180');
}

function remoteExporter(call: Call, url: string): RemoteExporter {
  const { tokens } = call.configSource().current.auth;
  return { url: url.replace(/\/+$/, ''), token: tokens.find(({ name }) => name === 'default')?.token };
}
