import { CONFIGURATION_FLAGS } from '../../config/flags.ts';
import type { CommandFlag } from '../command.ts';
import { COMMANDS } from '../commands.ts';
import { spellingOf } from '../help.ts';
import {
  briefOf,
  type Candidates,
  HELP_FLAG,
  MODEL_SOURCES,
  originOf,
  sourceOfArguments,
  sourceOfValue,
} from './parts.ts';

/** A file of `completions`; it can also be sourced. */
export function fishCompletion(): string {
  const configured = COMMANDS.filter((command) => command.configured).map(({ name }) => name);
  return `${originOf('fish')}

# The command on the line; without one it is serve.
function __llama_router_exporter_command
    set -l words (commandline -opc)
    if set -q words[2]; and not string match -q -- '-*' $words[2]
        echo $words[2]
    else
        echo serve
    end
end

function __llama_router_exporter_is
    contains -- (__llama_router_exporter_command) $argv
end

function __llama_router_exporter_needs_command
    test (count (commandline -opc)) -eq 1
end

# The names of the models, of the routers that the flags on the line name.
function __llama_router_exporter_models
    set -l given
    set -l wanted no
    for word in (commandline -opc)
        if test $wanted = yes; or string match -qr -- '^(${MODEL_SOURCES.join('|')})=' $word
            set -a given (string replace -r '^~/' "$HOME/" -- $word)
        end
        set wanted no
        if contains -- $word ${MODEL_SOURCES.join(' ')}
            set -a given $word
            set wanted yes
        end
    end
    llama-router-exporter list --output names $given 2>/dev/null
end

# The command that run runs, and its arguments.
function __llama_router_exporter_program
    set -l words (commandline -opc)
    set -e words[1..2]
    if set -l at (contains -i -- -- $words)
        set -e words[1..$at]
    end
    if not string match -q -- '-*' $words[1]
        set -l line (string join ' ' -- (string escape -- $words) (commandline -ct))
        complete -C "$line"
    end
end

complete -c llama-router-exporter -f
${COMMANDS.map(({ name, summary }) => entry('__llama_router_exporter_needs_command', `-a ${name}`, summary)).join('\n')}
${entry('__llama_router_exporter_needs_command', '-a help', 'Show the help of a command.')}
${entry('__llama_router_exporter_needs_command', '-a version', 'Print the version.')}

${COMMANDS.flatMap((command) => [
  ...[...command.flags, HELP_FLAG].map((flag) => flagEntry(isCommand(command.name), flag)),
  ...argumentEntries(command.name, sourceOfArguments(command)),
]).join('\n')}
${argumentEntries(
  'help',
  COMMANDS.map(({ name }) => name),
).join('\n')}

function __llama_router_exporter_is_configured
    __llama_router_exporter_is ${configured.join(' ')}
end

${CONFIGURATION_FLAGS.map((flag) => flagEntry('__llama_router_exporter_is_configured', flag)).join('\n')}
`;
}

const isCommand = (name: string) => `__llama_router_exporter_is ${name}`;

function flagEntry(condition: string, flag: CommandFlag): string {
  const source = sourceOfValue(flag);
  const value = source === 'none' ? '' : ` ${source === 'file' ? '-r' : '-x'}${candidates(source)}`;
  return entry(condition, `-l ${spellingOf(flag)}${value}`, briefOf(flag));
}

function argumentEntries(command: string, source: Candidates): string[] {
  const options = candidates(source).trim();
  return options === '' ? [] : [entry(isCommand(command), options)];
}

function candidates(source: Candidates): string {
  if (typeof source !== 'string') return ` -a ${quotedForFish(source.join(' '))}`;
  return {
    file: ' -F',
    model: " -a '(__llama_router_exporter_models)'",
    program: " -a '(__llama_router_exporter_program)'",
    other: '',
    none: '',
  }[source];
}

function entry(condition: string, options: string, description?: string): string {
  const text = description === undefined ? '' : ` -d ${quotedForFish(description)}`;
  return `complete -c llama-router-exporter -n ${quotedForFish(condition)} ${options}${text}`;
}

function quotedForFish(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}
