# Completions of llama-router-exporter, as `llama-router-exporter completion bash` prints them.
# shellcheck disable=SC2086

# Sets kind to the flags of a command.
_llama_router_exporter_flags() {
  local configuration='
    --config.file
    --router
    --web.listen-address
    --web.telemetry-path
    --web.max-series
    --web.config.file
    --log.level
    --log.format
    --follow.listing-interval
    --follow.polling-interval
    --follow.request-timeout
    --follow.reconnect-min
    --follow.reconnect-max
    --follow.shard
    --follow.total-shards
    --engine.read
    --engine.interval
    --engine.timeout
    --engine.keep
    --engine.max-series
    --engine.publish
    --engine.telemetry-path
    --memory.interval
    --memory.timeout
    --memory.nvidia-smi
    --memory.other-processes
    --path.procfs
    --path.sysfs
    --unload.keep
    --unload.when-busy
    --unload.busy-timeout
    --unload.timeout
    --unload.answer-within
    --unload.cooldown
    --unload.loop-count
    --unload.loop-pause-min
    --unload.loop-pause-max
    --load.timeout
    --policy.interval
    --policy.hold-grace
    --audit.file
    --state.file
    --state.interval'
  case $1 in
    serve) kind="choice --help $configuration" ;;
    list) kind="choice --exporter --output --help $configuration" ;;
    unload) kind="choice --keep --when-busy --busy-timeout --timeout --gpu --idle-for --no-wait --dry-run --exporter --on --hold --reason --output --help $configuration" ;;
    unload-all) kind="choice --model --keep --when-busy --busy-timeout --timeout --gpu --idle-for --no-wait --dry-run --exporter --on --hold --reason --output --help $configuration" ;;
    load) kind="choice --on --timeout --no-wait --dry-run --exporter --hold --reason --output --help $configuration" ;;
    hold) kind="choice --for --until --need --unload --when-busy --restore --reason --exporter --enforce --holder --router --wait --output --help $configuration" ;;
    release) kind="choice --all --mine --holder --exporter --help $configuration" ;;
    run) kind="choice --need --unload --when-busy --restore --reason --exporter --for --router --direct --help $configuration" ;;
    doctor) kind="choice --output --help $configuration" ;;
    simulate) kind="choice --kind --host --port --models --models-max --sleep-idle-seconds --ttl --quiet --machine --help" ;;
    demo) kind="choice --help" ;;
    check-config) kind="choice --help" ;;
    completion) kind="choice --help" ;;
  esac
}

# Sets kind to what the value of a flag is; fails if the flag takes none, and for other words.
_llama_router_exporter_value() {
  case "$1 $2" in
    'list --output') kind='choice text json names' ;;
    'unload --keep' | 'unload-all --model' | 'unload-all --keep') kind='model' ;;
    'unload --when-busy' | 'unload-all --when-busy' | 'hold --when-busy' | 'run --when-busy' | *' --unload.when-busy') kind='choice skip wait force' ;;
    'unload --no-wait' | 'unload --dry-run' | 'unload-all --no-wait' | 'unload-all --dry-run' | 'load --no-wait' | 'load --dry-run' | 'hold --restore' | 'hold --enforce' | 'release --all' | 'release --mine' | 'run --restore' | 'run --direct' | 'simulate --quiet' | *' --help') return 1 ;;
    'unload --output' | 'unload-all --output' | 'load --output' | 'doctor --output') kind='choice text json' ;;
    'hold --unload' | 'run --unload') kind='choice none enough all' ;;
    'hold --output') kind='choice text json id' ;;
    'simulate --kind') kind='choice llama-server llama-swap' ;;
    'simulate --machine' | *' --config.file' | *' --web.config.file' | *' --path.procfs' | *' --path.sysfs' | *' --audit.file' | *' --state.file') kind='file' ;;
    *' --log.level') kind='choice debug info warn error' ;;
    *' --log.format') kind='choice logfmt json' ;;
    *' --engine.read') kind='choice auto on off' ;;
    *' --engine.publish') kind='choice together apart off' ;;
    *' '[!-]* | *' --' | *' -h') return 1 ;;
    *) kind=other ;;
  esac
}

# Sets kind to what the arguments of a command are.
_llama_router_exporter_argument() {
  case $1 in
    serve | list | unload-all | hold | doctor | simulate | demo) return 1 ;;
    unload | load) kind='model' ;;
    run) kind='program' ;;
    check-config) kind='file' ;;
    completion) kind='choice bash zsh fish' ;;
    help) kind='choice serve list unload unload-all load hold release run doctor simulate demo check-config completion' ;;
    *) return 1 ;;
  esac
}

# The names of the models, of the routers that the flags on the line name.
_llama_router_exporter_models() {
  local i given=()
  for ((i = 1; i < last; i++)); do
    case ${words[i]} in
      --router | --exporter | --config.file) given+=("${words[i]}" "${words[i + 1]/#\~\//"$HOME"/}") ;;
      --router=* | --exporter=* | --config.file=*) given+=("${words[i]}") ;;
    esac
  done
  llama-router-exporter list --output names "${given[@]}" 2>/dev/null
}

# Adds the lines of standard input that begin with cur. Names of models come from elsewhere: nothing expands them.
_llama_router_exporter_offer() {
  local candidate
  while IFS= read -r candidate; do
    [[ $candidate == "$cur"* ]] || continue
    printf -v candidate %q "$candidate"
    candidate=$flag$candidate
    COMPREPLY+=("${candidate#"$fixed"}")
  done
}

_llama_router_exporter() {
  local words word line=${COMP_LINE:0:COMP_POINT} command=serve i=1 program='' kind='' flag=''
  read -r -a words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  local last=$((${#words[@]} - 1))
  local cur=${words[last]} fixed=${words[last]}
  # readline replaces only what follows the last of its word breaks, such as = and :.
  while [[ -n $fixed && $COMP_WORDBREAKS != *"${fixed: -1}"* ]]; do fixed=${fixed%?}; done
  COMPREPLY=()

  if [[ ${words[1]} != -* ]]; then
    command=${words[1]}
    i=2
  fi
  for (( ; i < last; i++)); do
    word=${words[i]}
    if [[ $command == run && ($word == -- || $word != -*) ]]; then
      [[ $word == -- ]] && ((i++))
      program=$i
      break
    fi
    [[ $word != *=* ]] && _llama_router_exporter_value "$command" "$word" && ((i++))
  done

  if ((last == 1 && i == 2)); then
    kind='choice serve list unload unload-all load hold release run doctor simulate demo check-config completion help version'
  elif [[ -n $program ]]; then
    kind='file'
    ((program == last)) && kind='program'
  elif ((i > last)); then
    : # kind is that of the value of the last flag.
  elif [[ $cur == -*=* ]]; then
    _llama_router_exporter_value "$command" "${cur%%=*}" || return
    flag=${cur%%=*}=
    cur=${cur#*=}
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
    choice*) _llama_router_exporter_offer < <(printf '%s\n' ${kind#choice }) ;;
  esac
}

complete -o default -F _llama_router_exporter llama-router-exporter
