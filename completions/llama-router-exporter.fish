# Completions of llama-router-exporter, as `llama-router-exporter completion fish` prints them.

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
        if test $wanted = yes; or string match -qr -- '^(--router|--exporter|--config.file)=' $word
            set -a given (string replace -r '^~/' "$HOME/" -- $word)
        end
        set wanted no
        if contains -- $word --router --exporter --config.file
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
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a serve -d 'Follow the routers and serve metrics, API and web page (default command).'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a list -d 'List routers and models with their status.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a unload -d 'Unload models and wait until each is gone.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a unload-all -d 'Unload every loaded model and wait until each is gone.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a load -d 'Load models and wait until each is loaded. A llama-swap loads only for requests.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a hold -d 'Free GPU memory and keep it free for a time.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a release -d 'End holds: the named ones, all, or those of one holder.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a run -d 'Free GPU memory, run a command, and keep the memory free until it ends.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a doctor -d 'Check the setup: what is wrong, and what to do. Changes nothing and loads no model.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a simulate -d 'Run a simulated router or llama-swap; no llama-server, model or GPU needed.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a demo -d 'Run the exporter with a simulated router whose models are in use; no GPU needed.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a check-config -d 'Check a configuration file and the files it names.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a completion -d 'Print the completions for a shell.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a help -d 'Show the help of a command.'
complete -c llama-router-exporter -n '__llama_router_exporter_needs_command' -a version -d 'Print the version.'

complete -c llama-router-exporter -n '__llama_router_exporter_is serve' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is list' -l exporter -x -d 'Ask this running exporter instead of the routers'
complete -c llama-router-exporter -n '__llama_router_exporter_is list' -l output -x -a 'text json names' -d 'Output format; names: only the names of the models'
complete -c llama-router-exporter -n '__llama_router_exporter_is list' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l keep -x -a '(__llama_router_exporter_models)' -d 'Never unload models that match'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l when-busy -x -a 'skip wait force' -d 'What to do with a model that is generating or loading: leave it loaded, wait until it is idle, or unload it'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l busy-timeout -x -d 'Longest wait for a busy model'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l timeout -x -d 'Longest wait for a model to be gone after its unload request'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l gpu -x -d 'With --exporter: only models with memory on this GPU'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l idle-for -x -d 'With --exporter: only models without requests for this long'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l no-wait -d 'Return as soon as the server, or the exporter, has accepted the request'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l dry-run -d 'Show what would be unloaded; unload nothing'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l exporter -x -d 'Ask this running exporter instead of the routers'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l on -x -d 'With --exporter: only on the router of this name'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l hold -x -d 'With --exporter: hold the freed memory for this long afterwards'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l reason -x -d 'Reason for the report and the audit file'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l output -x -a 'text json' -d 'Output format'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload' -a '(__llama_router_exporter_models)'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l model -x -a '(__llama_router_exporter_models)' -d 'Only models that match'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l keep -x -a '(__llama_router_exporter_models)' -d 'Never unload models that match'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l when-busy -x -a 'skip wait force' -d 'What to do with a model that is generating or loading: leave it loaded, wait until it is idle, or unload it'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l busy-timeout -x -d 'Longest wait for a busy model'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l timeout -x -d 'Longest wait for a model to be gone after its unload request'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l gpu -x -d 'With --exporter: only models with memory on this GPU'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l idle-for -x -d 'With --exporter: only models without requests for this long'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l no-wait -d 'Return as soon as the server, or the exporter, has accepted the request'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l dry-run -d 'Show what would be unloaded; unload nothing'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l exporter -x -d 'Ask this running exporter instead of the routers'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l on -x -d 'With --exporter: only on the router of this name'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l hold -x -d 'With --exporter: hold the freed memory for this long afterwards'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l reason -x -d 'Reason for the report and the audit file'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l output -x -a 'text json' -d 'Output format'
complete -c llama-router-exporter -n '__llama_router_exporter_is unload-all' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is load' -l on -x -d 'Only on the router of this name: needed where several routers have the model'
complete -c llama-router-exporter -n '__llama_router_exporter_is load' -l timeout -x -d 'Longest time for each model until it is loaded'
complete -c llama-router-exporter -n '__llama_router_exporter_is load' -l no-wait -d 'With --exporter: return as soon as it has accepted the request'
complete -c llama-router-exporter -n '__llama_router_exporter_is load' -l dry-run -d 'Show what would be loaded, and what a full router would evict'
complete -c llama-router-exporter -n '__llama_router_exporter_is load' -l exporter -x -d 'Ask this running exporter instead of the routers'
complete -c llama-router-exporter -n '__llama_router_exporter_is load' -l hold -x -d 'With --exporter: load for the holder of this hold, although it keeps the memory free'
complete -c llama-router-exporter -n '__llama_router_exporter_is load' -l reason -x -d 'Reason for the report and the audit file'
complete -c llama-router-exporter -n '__llama_router_exporter_is load' -l output -x -a 'text json' -d 'Output format'
complete -c llama-router-exporter -n '__llama_router_exporter_is load' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is load' -a '(__llama_router_exporter_models)'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l for -x -d 'How long the memory is kept free'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l until -x -d 'Until when, such as 2026-08-14T14:05:00Z'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l need -x -d 'Memory that must be measured free on one GPU, such as 12G: as few models as needed are unloaded for it'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l unload -x -a 'none enough all' -d 'Which models to unload first: none, as few as --need needs, or all'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l when-busy -x -a 'skip wait force' -d 'What to do with a model that is generating or loading'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l restore -d 'Load the models again that were unloaded, when the last hold ends'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l reason -x -d 'What the memory is needed for, in the sentence that clients see'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l exporter -x -d 'The running exporter'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l enforce -d 'Unload idle models that are loaded during the hold'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l holder -x -d 'Whom the memory is for'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l router -x -d 'Only on this router, by its name in the exporter'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l wait -x -d 'Longest wait until the memory is free; the hold stays afterwards'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l output -x -a 'text json id' -d 'Output format'
complete -c llama-router-exporter -n '__llama_router_exporter_is hold' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is release' -l all -d 'End all holds'
complete -c llama-router-exporter -n '__llama_router_exporter_is release' -l mine -d 'End the holds of --holder'
complete -c llama-router-exporter -n '__llama_router_exporter_is release' -l holder -x -d 'Whom the memory is for'
complete -c llama-router-exporter -n '__llama_router_exporter_is release' -l exporter -x -d 'The running exporter'
complete -c llama-router-exporter -n '__llama_router_exporter_is release' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -l need -x -d 'Memory that must be measured free on one GPU, such as 12G: as few models as needed are unloaded for it'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -l unload -x -a 'none enough all' -d 'Which models to unload first: none, as few as --need needs, or all'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -l when-busy -x -a 'skip wait force' -d 'What to do with a model that is generating or loading'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -l restore -d 'Load the models again that were unloaded, when the last hold ends'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -l reason -x -d 'What the memory is needed for, in the sentence that clients see'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -l exporter -x -d 'The running exporter'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -l for -x -d 'Longest time for which the memory is kept free'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -l router -x -d 'Only on this router, by its name in the exporter; with --direct, the URL of a router'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -l direct -d 'Without an exporter: unload all models at the routers'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is run' -a '(__llama_router_exporter_program)'
complete -c llama-router-exporter -n '__llama_router_exporter_is doctor' -l output -x -a 'text json' -d 'Output format'
complete -c llama-router-exporter -n '__llama_router_exporter_is doctor' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is simulate' -l kind -x -a 'llama-server llama-swap' -d 'What to simulate: llama-server (its router mode) or llama-swap'
complete -c llama-router-exporter -n '__llama_router_exporter_is simulate' -l host -x -d 'Listen address'
complete -c llama-router-exporter -n '__llama_router_exporter_is simulate' -l port -x -d 'Port'
complete -c llama-router-exporter -n '__llama_router_exporter_is simulate' -l models -x -d 'Number of models'
complete -c llama-router-exporter -n '__llama_router_exporter_is simulate' -l models-max -x -d 'As llama-server\'s --models-max; 0 is unlimited'
complete -c llama-router-exporter -n '__llama_router_exporter_is simulate' -l sleep-idle-seconds -x -d 'As llama-server\'s --sleep-idle-seconds'
complete -c llama-router-exporter -n '__llama_router_exporter_is simulate' -l ttl -x -d 'As llama-swap\'s ttl of each model; 0 is never'
complete -c llama-router-exporter -n '__llama_router_exporter_is simulate' -l quiet -d 'Send no requests to the models: they change only when you ask'
complete -c llama-router-exporter -n '__llama_router_exporter_is simulate' -l machine -r -F -d 'Write its GPU memory there as /proc and /sys files; read them with serve --path.procfs FOLDER/proc --path.sysfs FOLDER/sys'
complete -c llama-router-exporter -n '__llama_router_exporter_is simulate' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is demo' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is check-config' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is check-config' -F
complete -c llama-router-exporter -n '__llama_router_exporter_is completion' -l help -d 'Show the flags of the command'
complete -c llama-router-exporter -n '__llama_router_exporter_is completion' -a 'bash zsh fish'
complete -c llama-router-exporter -n '__llama_router_exporter_is help' -a 'serve list unload unload-all load hold release run doctor simulate demo check-config completion'

function __llama_router_exporter_is_configured
    __llama_router_exporter_is serve list unload unload-all load hold release run doctor
end

complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l config.file -r -F -d 'The YAML file with the configuration'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l router -x -d 'The router\'s address, with its base path if it has one: http, https or `unix:/path`'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l web.listen-address -x -d 'Addresses to listen on; without a host: all interfaces'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l web.telemetry-path -x -d 'Path of the metrics'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l web.max-series -x -d 'Maximum number of series of a scrape; beyond it, models are left out, those never loaded first'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l web.config.file -r -F -d 'TLS and users, in the format of Prometheus\' web configuration file; empty: none'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l log.level -x -a 'debug info warn error' -d 'Lowest severity that is logged'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l log.format -x -a 'logfmt json' -d 'Format of a log line'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l follow.listing-interval -x -d 'Time between listings while the event stream is connected; up to a tenth longer, at random'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l follow.polling-interval -x -d 'Time between listings without an event stream; a quarter of it while something happens'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l follow.request-timeout -x -d 'Timeout of a request to a router'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l follow.reconnect-min -x -d 'Wait before the first reconnect to an event stream'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l follow.reconnect-max -x -d 'Longest wait before a reconnect; each wait is twice the last'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l follow.shard -x -d 'Which share of the routers this exporter follows, counted from 0'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l follow.total-shards -x -d 'Number of exporters that share the routers, each with another shard; 1: no sharding'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l engine.read -x -a 'auto on off' -d 'Whether they are read: always, never, or (auto) where that keeps no model with an idle timer awake'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l engine.interval -x -d 'Time between two reads of a loaded model'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l engine.timeout -x -d 'Timeout of a read'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l engine.keep -x -d 'How long the last read is published while later reads fail'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l engine.max-series -x -d 'Maximum number of series per model; further metric families are left out'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l engine.publish -x -a 'together apart off' -d 'Where they are published: with the exporter\'s own metrics, on engine.telemetry_path, or nowhere'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l engine.telemetry-path -x -d 'Path of these metrics with publish: apart'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l memory.interval -x -d 'Time between two measurements; they are independent of scrapes'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l memory.timeout -x -d 'Timeout of each source; a program that exceeds it is killed'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l memory.nvidia-smi -x -d 'Program that measures NVIDIA GPUs; empty: none'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l memory.other-processes -x -d 'Number of other processes on each GPU that page, list and API name; 0: none'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l path.procfs -r -F -d 'The machine\'s /proc'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l path.sysfs -r -F -d 'The machine\'s /sys'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l unload.keep -x -d 'Globs of models that are never unloaded; routers and requests can add to them'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l unload.when-busy -x -a 'skip wait force' -d 'What to do with a busy model when the request does not say'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l unload.busy-timeout -x -d 'How long to wait for a busy model'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l unload.timeout -x -d 'How long a model may take to stop after its unload was requested'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l unload.answer-within -x -d 'Time after which a waiting request is answered, done or not'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l unload.cooldown -x -d 'Minimum time between an unload and the next automatic one'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l unload.loop-count -x -d 'Number of consecutive automatic unloads, each undone within lifecycle.reload_window, that count as a reload loop'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l unload.loop-pause-min -x -d 'Pause of automatic unloads after a first loop; then it doubles'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l unload.loop-pause-max -x -d 'Longest such pause'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l load.timeout -x -d 'How long a model may take until it is loaded, when the request does not say'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l policy.interval -x -d 'Time between two checks for idle models'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l policy.hold-grace -x -d 'How long a model loaded during an enforced hold must be idle before it is unloaded'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l audit.file -r -F -d 'File to append JSON lines to; empty: none'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l state.file -r -F -d 'File with the state; empty: nothing is kept'
complete -c llama-router-exporter -n '__llama_router_exporter_is_configured' -l state.interval -x -d 'Time between two writes'
