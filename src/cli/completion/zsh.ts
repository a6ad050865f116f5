import { CONFIGURATION_FLAGS } from '../../config/flags.ts';
import type { Command, CommandFlag } from '../command.ts';
import { COMMANDS } from '../commands.ts';
import { spellingOf } from '../help.ts';
import {
  briefOf,
  type Candidates,
  HELP_FLAG,
  MODEL_SOURCES,
  originOf,
  quoted,
  sourceOfArguments,
  sourceOfValue,
} from './parts.ts';

/** A file of `fpath`, named `_llama-router-exporter`; it can also be sourced. */
export function zshCompletion(): string {
  return `#compdef llama-router-exporter
${originOf('zsh')}

# The names of the models, of the routers that the flags on the line name.
_llama-router-exporter_models() {
  local -a given names
  local word wanted
  for word in \${(Q)words[1,CURRENT-1]}; do
    if [[ -n $wanted || $word == (${MODEL_SOURCES.join('|')})=* ]]; then
      given+=(\${word/#\\~\\//$HOME/})
    fi
    wanted=
    [[ $word == (${MODEL_SOURCES.join('|')}) ]] && given+=($word) wanted=1
  done
  names=(\${(f)"$(llama-router-exporter list --output names $given 2>/dev/null)"})
  _wanted models expl model compadd -a names
}

_llama-router-exporter() {
  local command=serve
  local -a all configuration
  all=(
${[
  ...COMMANDS,
  { name: 'help', summary: 'Show the help of a command.' },
  { name: 'version', summary: 'Print the version.' },
]
  .map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`)
  .join('\n')}
  )
  configuration=(
${CONFIGURATION_FLAGS.map((flag) => `    ${specOf(flag)}`).join('\n')}
  )
  if [[ $words[2] != -* ]]; then
    if ((CURRENT == 2)); then
      _describe -t commands command all
      return
    fi
    command=$words[2]
    shift words
    ((CURRENT--))
  fi
  case $command in
${COMMANDS.map(caseOf).join('\n')}
    help) ((CURRENT == 2)) && _describe -t commands command all ;;
  esac
}

if [[ $funcstack[1] == _llama-router-exporter ]]; then
  _llama-router-exporter "$@"
else
  compdef _llama-router-exporter llama-router-exporter
fi
`;
}

function caseOf(command: Command): string {
  const specs = [...command.flags, HELP_FLAG].map(specOf);
  if (command.configured) specs.push(configurationOf(command));
  const source = sourceOfArguments(command);
  if (source === 'program') specs.push("'(-)1:command:_command_names -e'", "'*::argument: _normal'");
  else if (source !== 'none' && source !== 'other') specs.push(`'*:${actionOf(source)}'`);
  return `    ${command.name})\n      _arguments -S \\\n        ${specs.join(' \\\n        ')}\n      ;;`;
}

/** Without those that the command's own flags replace. */
function configurationOf({ flags }: Command): string {
  const replaced = CONFIGURATION_FLAGS.filter(({ name }) => flags.some((own) => own.name === name));
  if (replaced.length === 0) return '$configuration';
  return `\${configuration:#(|\\*)--(${replaced.map(({ name }) => name).join('|')})=*}`;
}

function specOf(flag: CommandFlag): string {
  const source = sourceOfValue(flag);
  const value = source === 'none' ? '' : `=`;
  const text = briefOf(flag).replace(/[[\]:]/g, '\\$&');
  const action = source === 'none' ? '' : `:${actionOf(source)}`;
  return quoted(`${flag.repeatable ? '*' : ''}--${spellingOf(flag)}${value}[${text}]${action}`);
}

function actionOf(source: Candidates): string {
  if (typeof source !== 'string') return `value:(${source.join(' ')})`;
  return {
    file: 'file:_files',
    model: 'model:_llama-router-exporter_models',
    program: '',
    other: 'value:',
    none: '',
  }[source];
}
