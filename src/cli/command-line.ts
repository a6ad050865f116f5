import { parseArgs } from 'node:util';
import { processEnvironment } from '../config/environment.ts';
import { CONFIGURATION_FLAGS, type Flags } from '../config/flags.ts';
import { ConfigError } from '../config/problem.ts';
import { createConfigSource } from '../config/source.ts';
import { nearest } from '../lib/nearest.ts';
import type { Command, CommandFlag } from './command.ts';
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
    const configuration = configurationFlags(command);
    const flags = [...command.flags, ...configuration];
    const [own, program] = command.runsProgram ? splitProgram(flags, args) : [args, []];
    if (own.includes('--help') || own.includes('-h')) return showHelp(command, terminal);
    const { values, positionals } = parse(command, flags, own);
    const env = processEnvironment();
    const forConfig = Object.fromEntries(configuration.map(({ name }) => [name, values[name]]));
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

/** The flags of the configuration that a command takes, without those that its own flags replace. */
function configurationFlags({ configured, flags }: Command): CommandFlag[] {
  if (!configured) return [];
  const own = flags.map(({ name }) => name);
  return CONFIGURATION_FLAGS.filter(({ name }) => !own.includes(name));
}

/** How the arguments of every command are parsed. */
const SYNTAX = { allowPositionals: true, allowNegative: true, tokens: true } as const;

/** The flags of a command that runs a program, and that program with its arguments, with or without `--` before it. */
function splitProgram(
  flags: readonly CommandFlag[],
  args: readonly string[],
): [own: readonly string[], program: readonly string[]] {
  const { tokens } = parseArgs({ ...SYNTAX, args: [...args], options: parseOptions(flags), strict: false });
  const first = tokens.find(({ kind }) => kind !== 'option');
  if (first === undefined) return [args, []];
  const { kind, index } = first;
  return [args.slice(0, index), args.slice(kind === 'option-terminator' ? index + 1 : index)];
}

function parseOptions(flags: readonly CommandFlag[]) {
  return Object.fromEntries(
    flags.map(({ name, value, repeatable = false }) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: repeatable },
    ]),
  );
}

function parse({ name, words }: Command, flags: readonly CommandFlag[], args: readonly string[]) {
  const help = `See llama-router-exporter ${name} --help.`;
  const { values, positionals, tokens } = parseStrictly(flags, args, help);
  const given = tokens.flatMap((token) => (token.kind === 'option' ? token.name : []));
  const takesOne = (flag: string) =>
    flags.some((each) => each.name === flag && each.value !== undefined && !each.repeatable);
  const twice = given.find((flag, at) => takesOne(flag) && given.indexOf(flag) < at);
  if (twice) throw new UsageError(`--${twice} is given twice: it takes one value.`);
  if (words === undefined && positionals.length > 0) {
    throw new UsageError(`${name} takes no argument '${positionals[0]}'. ${help}`);
  }
  return { values, positionals };
}

function parseStrictly(flags: readonly CommandFlag[], args: readonly string[], help: string) {
  try {
    return parseArgs({ ...SYNTAX, args: [...args], options: parseOptions(flags) });
  } catch (error) {
    const { message } = error as Error;
    const unknown = /Unknown option '--?([^']+)'/.exec(message)?.[1] ?? '';
    const meant = nearest(
      unknown,
      flags.map(({ name }) => name),
    );
    throw new UsageError(
      `${meant ? `unknown flag --${unknown}: did you mean --${meant}?` : message} ${help}`,
    );
  }
}
