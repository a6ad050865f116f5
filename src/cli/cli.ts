import { parseArgs } from 'node:util';
import { processEnvironment } from '../config/environment.ts';
import { type Flags, parseArgsOptions } from '../config/flags.ts';
import { ConfigError } from '../config/problem.ts';
import { createConfigSource } from '../config/source.ts';
import { nearest } from '../lib/nearest.ts';
import { packageVersion } from '../lib/version.ts';
import type { Command } from './command.ts';
import { EXIT, UnreachableError, UsageError } from './exit-codes.ts';
import { helpOf, overview } from './help.ts';
import type { Terminal } from './terminal.ts';

/** Imported on demand: `serve` does not need the simulator and the doctor in memory. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serveCommand,
  list: async () => (await import('./list.ts')).list,
  unload: async () => (await import('./unload.ts')).unloadCommand,
  'unload-all': async () => (await import('./unload.ts')).unloadAllCommand,
  load: async () => (await import('./load.ts')).loadCommand,
  hold: async () => (await import('./hold.ts')).holdCommand,
  release: async () => (await import('./release.ts')).releaseCommand,
  run: async () => (await import('./run.ts')).runCommand,
  doctor: async () => (await import('./doctor.ts')).doctor,
  simulate: async () => (await import('./simulate.ts')).simulate,
  demo: async () => (await import('./demo.ts')).demo,
  'check-config': async () => (await import('./check-config.ts')).checkConfig,
};

/** Runs the program and resolves with its exit code. Rejects only on a programming error. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const version = packageVersion();
  const [first = '', ...others] = args;
  if (['help', '--help', '-h'].includes(first) && others.length === 0) {
    terminal.out(overview(await Promise.all(Object.values(COMMANDS).map((load) => load())), version));
    return EXIT.done;
  }
  if (first === '--version' || first === 'version') {
    terminal.out(`llama-router-exporter ${version} (Node ${process.versions.node})\n`);
    return EXIT.done;
  }
  let command: Command | undefined;
  try {
    const named = first !== '' && !first.startsWith('-');
    command = await commandNamed(!named ? 'serve' : first === 'help' ? (others[0] ?? '') : first);
    const [rest, program] = command.runsProgram ? splitProgram(command, others) : [named ? others : args, []];
    if (first === 'help' || rest.includes('--help') || rest.includes('-h')) {
      terminal.out(helpOf(command));
      return EXIT.done;
    }
    const { values, positionals } = parse(command, rest);
    const env = processEnvironment();
    const forConfig = withoutFlagsOf(command, values);
    const configSource = (more: Flags = {}) => createConfigSource({ env, flags: { ...forConfig, ...more } });
    return await command.run({ flags: values, words: [...positionals, ...program], configSource, terminal });
  } catch (error) {
    if (error instanceof ConfigError || error instanceof UsageError) {
      terminal.err(`llama-router-exporter: ${error.message}\n`);
      return command?.runsProgram ? EXIT.notRun : EXIT.usage;
    }
    if (error instanceof UnreachableError) {
      terminal.err(`${error.message}\n`);
      return command?.runsProgram ? EXIT.notRun : EXIT.unreachable;
    }
    throw error;
  }
}

/** The flags of the configuration: a command may have a flag of its own with the name of one. */
function withoutFlagsOf(command: Command, flags: Flags): Flags {
  const own = command.flags.map(({ name }) => name);
  return Object.fromEntries(Object.entries(flags).filter(([name]) => !own.includes(name)));
}

/** The flags of a command that runs a program, and that program with its arguments, with or without `--` before it. */
function splitProgram(command: Command, args: readonly string[]): [flags: string[], program: string[]] {
  const { tokens } = parseArgs({
    args: [...args],
    options: parseOptions(command),
    allowPositionals: true,
    allowNegative: true,
    strict: false,
    tokens: true,
  });
  const first = tokens.find(({ kind }) => kind !== 'option');
  if (first === undefined) return [[...args], []];
  const { kind, index } = first;
  return [args.slice(0, index), args.slice(kind === 'option-terminator' ? index + 1 : index)];
}

function commandNamed(name: string): Promise<Command> {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load) return load();
  const hint = nearest(name, Object.keys(COMMANDS));
  throw new UsageError(
    `unknown command '${name}'${hint ? `: did you mean '${hint}'?` : '.'} See llama-router-exporter help.`,
  );
}

function parseOptions(command: Command) {
  const own = command.flags.map(({ name, value, repeatable }) => [
    name,
    { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: repeatable === true },
  ]);
  return { ...(command.configured ? parseArgsOptions() : {}), ...Object.fromEntries(own) };
}

function parse(command: Command, args: readonly string[]) {
  const options = parseOptions(command);
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
