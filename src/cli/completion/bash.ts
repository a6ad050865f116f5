import { CONFIGURATION_FLAGS } from '../../config/flags.ts';
import { groupBy } from '../../lib/group-by.ts';
import type { Command } from '../command.ts';
import { COMMANDS } from '../commands.ts';
import { spellingOf } from '../help.ts';
import {
  type Candidates,
  HELP_FLAG,
  MODEL_SOURCES,
  originOf,
  sourceOfArguments,
  sourceOfValue,
} from './parts.ts';

/** For bash 3.2, which macOS has, and newer; without the package bash-completion. */
export function bashCompletion(): string {
  return `${originOf('bash')}
# shellcheck disable=SC2086

# Sets kind to the flags of a command.
_llama_router_exporter_flags() {
  local configuration='
    ${CONFIGURATION_FLAGS.map(({ name }) => `--${name}`).join('\n    ')}'
  case $1 in
${COMMANDS.map((command) => `    ${command.name}) kind="choice ${flagsOf(command)}" ;;`).join('\n')}
  esac
}

# Sets kind to what the value of a flag is; fails if the flag takes none, and for other words.
_llama_router_exporter_value() {
  case "$1 $2" in
${casesOf(VALUES)}
    *' '[!-]* | *' --' | *' -h') return 1 ;;
    *) kind=other ;;
  esac
}

# Sets kind to what the arguments of a command are.
_llama_router_exporter_argument() {
  case $1 in
${casesOf(ARGUMENTS)}
    *) return 1 ;;
  esac
}

# The names of the models, of the routers that the flags on the line name.
_llama_router_exporter_models() {
  local i given=()
  for ((i = 1; i < last; i++)); do
    case \${words[i]} in
      ${MODEL_SOURCES.join(' | ')}) given+=("\${words[i]}" "\${words[i + 1]/#\\~\\//"$HOME"/}") ;;
      ${MODEL_SOURCES.map((flag) => `${flag}=*`).join(' | ')}) given+=("\${words[i]}") ;;
    esac
  done
  llama-router-exporter list --output names "\${given[@]}" 2>/dev/null
}

# Adds the lines of standard input that begin with cur. Names of models come from elsewhere: nothing expands them.
_llama_router_exporter_offer() {
  local candidate
  while IFS= read -r candidate; do
    [[ $candidate == "$cur"* ]] || continue
    printf -v candidate %q "$candidate"
    candidate=$flag$candidate
    COMPREPLY+=("\${candidate#"$fixed"}")
  done
}

_llama_router_exporter() {
  local words word line=\${COMP_LINE:0:COMP_POINT} command=serve i=1 program='' kind='' flag=''
  read -r -a words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  local last=$((\${#words[@]} - 1))
  local cur=\${words[last]} fixed=\${words[last]}
  # readline replaces only what follows the last of its word breaks, such as = and :.
  while [[ -n $fixed && $COMP_WORDBREAKS != *"\${fixed: -1}"* ]]; do fixed=\${fixed%?}; done
  COMPREPLY=()

  if [[ \${words[1]} != -* ]]; then
    command=\${words[1]}
    i=2
  fi
  for (( ; i < last; i++)); do
    word=\${words[i]}
    if [[ $command == run && ($word == -- || $word != -*) ]]; then
      [[ $word == -- ]] && ((i++))
      program=$i
      break
    fi
    [[ $word != *=* ]] && _llama_router_exporter_value "$command" "$word" && ((i++))
  done

  if ((last == 1 && i == 2)); then
    kind='choice ${[...NAMES, 'help', 'version'].join(' ')}'
  elif [[ -n $program ]]; then
    kind='file'
    ((program == last)) && kind='program'
  elif ((i > last)); then
    : # kind is that of the value of the last flag.
  elif [[ $cur == -*=* ]]; then
    _llama_router_exporter_value "$command" "\${cur%%=*}" || return
    flag=\${cur%%=*}=
    cur=\${cur#*=}
  elif [[ $cur == -* ]]; then
    _llama_router_exporter_flags "$command"
  else
    _llama_router_exporter_argument "$command" || kind=''
  fi

  # Without candidates, bash offers files.
  [[ $kind == file ]] && return
  [[ $kind == program ]] || compopt +o default 2>/dev/null
  case $kind in
    model) _llama_router_exporter_offer < <(_llama_router_exporter_models) ;;
    program) _llama_router_exporter_offer < <(compgen -c -- "$cur") ;;
    choice*) _llama_router_exporter_offer < <(printf '%s\\n' \${kind#choice }) ;;
  esac
}

complete -o default -F _llama_router_exporter llama-router-exporter
`;
}

const NAMES = COMMANDS.map(({ name }) => name);

function flagsOf({ flags, configured }: Command): string {
  const own = [...flags, HELP_FLAG].map((flag) => `--${spellingOf(flag)}`);
  return [...own, ...(configured ? ['$configuration'] : [])].join(' ');
}

/** A pattern, with what is completed where it matches. */
type Case = readonly [pattern: string, source: Candidates];

/** A flag with the name of one of the configuration takes the same kind of value. */
const VALUES: readonly Case[] = [
  ...COMMANDS.flatMap(({ name, flags }) =>
    flags.map((flag): Case => [`'${name} --${spellingOf(flag)}'`, sourceOfValue(flag)]),
  ),
  ...[...CONFIGURATION_FLAGS, HELP_FLAG].map((flag): Case => [`*' --${flag.name}'`, sourceOfValue(flag)]),
];

const ARGUMENTS: readonly Case[] = [
  ...COMMANDS.map((command): Case => [command.name, sourceOfArguments(command)]),
  ['help', NAMES],
];

/** One line for each source. */
function casesOf(cases: readonly Case[]): string {
  const groups = groupBy(cases, ([, source]) => actionOf(source));
  groups.delete("kind='other'");
  const lines = [...groups].map(
    ([action, same]) => `    ${same.map(([pattern]) => pattern).join(' | ')}) ${action} ;;`,
  );
  return lines.join('\n');
}

function actionOf(source: Candidates): string {
  if (source === 'none') return 'return 1';
  return `kind='${typeof source === 'string' ? source : `choice ${source.join(' ')}`}'`;
}
