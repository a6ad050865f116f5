import { parseArgs } from 'node:util';
import { processEnvironment } from '../config/environment.ts';
import type { Flags } from '../config/flags.ts';
import { ConfigError } from '../config/problem.ts';
import { createConfigSource } from '../config/source.ts';
import { nearest } from '../lib/nearest.ts';
import type { Command, CommandFlag } from './command.ts';
import { configurationFlags } from './configuration-flags.ts';
import { EXIT, UnreachableError, UsageError } from './exit-codes.ts';
import { helpOf } from './help.ts';
import type { Terminal } from './terminal.ts';

/** Runs a command with the arguments after its name, or shows its help. Resolves with its exit code. */
export async function runCommand(
  command: Command,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  try {
    const flags = [...command.flags, ...configurationFlags(command)];
    const [own, program] = command.runsProgram ? splitProgram(flags, args) : [args, []];
    if (own.includes('--help') || own.includes('-h')) return showHelp(command, terminal);
    const { values, positionals } = parse(command, flags, own);
    const env = processEnvironment();
    const forConfig = withoutFlagsOf(command, values);
    const configSource = (more: Flags = {}) => createConfigSource({ env, flags: { ...forConfig, ...more } });
    const run = await command.load();
    return await run({ flags: values, words: [...positionals, ...program], configSource, terminal });
  } catch (error) {
    if (error instanceof ConfigError || error instanceof UsageError) {
      terminal.err(`llama-router-exporter: ${error.message}\n`);
      return command.runsProgram ? EXIT.notRun : EXIT.usage;
    }
    if (error instanceof UnreachableError) {
      terminal.err(`${error.message}\n`);
      return command.runsProgram ? EXIT.notRun : EXIT.unreachable;
    }
    throw error;
  }
}

export function showHelp(command: Command, terminal: Terminal): number {
  terminal.out(helpOf(command, configurationFlags(command)));
  return EXIT.done;
}

/** The flags of the configuration: a command may have a flag of its own with the name of one. */
function withoutFlagsOf(command: Command, flags: Flags): Flags {
  const own = command.flags.map(({ name }) => name);
  return Object.fromEntries(Object.entries(flags).filter(([name]) => !own.includes(name)));
}

/** The flags of a command that runs a program, and that program with its arguments, with or without `--` before it. */
function splitProgram(
  flags: readonly CommandFlag[],
  args: readonly string[],
): [own: readonly string[], program: readonly string[]] {
  const { tokens } = parseArgs({
    args: [...args],
    options: parseOptions(flags),
    allowPositionals: true,
    allowNegative: true,
    strict: false,
    tokens: true,
  });
  const first = tokens.find(({ kind }) => kind !== 'option');
  if (first === undefined) return [args, []];
  const { kind, index } = first;
  return [args.slice(0, index), args.slice(kind === 'option-terminator' ? index + 1 : index)];
}

function parseOptions(flags: readonly CommandFlag[]) {
  return Object.fromEntries(
    flags.map(({ name, value, repeatable }) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: repeatable === true,
      },
    ]),
  );
}

function parse(command: Command, flags: readonly CommandFlag[], args: readonly string[]) {
  const options = parseOptions(flags);
  try {
    const settings = {
      args: [...args],
      options,
      allowPositionals: true,
      allowNegative: true,
      tokens: true,
    } as const;
    const parsed = parseArgs(settings);
    const given = new Set<string>();
    for (const token of parsed.tokens) {
      if (token.kind !== 'option') continue;
      const option = options[token.name];
      if (given.has(token.name) && option?.type === 'string' && option.multiple !== true) {
        throw new UsageError(`--${token.name} is given twice: it takes one value.`);
      }
      given.add(token.name);
    }
    if (command.words === undefined && parsed.positionals.length > 0) {
      throw new UsageError(
        `${command.name} takes no argument '${parsed.positionals[0]}'. See llama-router-exporter ${command.name} --help.`,
      );
    }
    return parsed;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const unknown = /Unknown option '--?([^']+)'/.exec(message)?.[1];
    const hint = unknown === undefined ? undefined : nearest(unknown, Object.keys(options));
    throw new UsageError(
      `${hint ? `unknown flag --${unknown}: did you mean --${hint}?` : message} See llama-router-exporter ${command.name} --help.`,
    );
  }
}
