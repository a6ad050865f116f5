#!/bin/sh
# Runs a command while llama.cpp's models keep out of its memory:
#
#   with-free-gpu.sh [-e URL] [-t DURATION] [-r ROUTER]… [--] COMMAND [ARG…]
#
#   -e URL       the running llama-router-exporter (default http://localhost:10180)
#   -t DURATION  the longest that memory is kept free (default 4h, at most hold.max): the hold ends by itself then,
#                also when this script was killed and could not release it
#   -r ROUTER    only this router, by the name that the exporter gives it; may be repeated
#
# Unloads every model that is not on a keep list, busy ones once they have finished, and holds the routers; runs
# COMMAND; releases the hold, however COMMAND ended. Exits with COMMAND's exit code, or with 125 when the memory
# could not be freed: then COMMAND was not run.
#
# A token is read from the file that LLAMA_ROUTER_EXPORTER_TOKEN_FILE names, and never stands on a command line.
# Needs llama-router-exporter and curl. More: docs/recipes.md
set -u

say() { printf 'with-free-gpu.sh: %s\n' "$*" >&2; }

usage() {
  say "$1"
  say 'usage: with-free-gpu.sh [-e URL] [-t DURATION] [-r ROUTER]… [--] COMMAND [ARG…]'
  exit 125
}

exporter=http://localhost:10180
duration=4h
routers=
# A router's name is one word of letters, digits and .:_- here, so that a list of them needs no quoting.
while getopts ':e:t:r:' option; do
  case $option in
    e) exporter=${OPTARG%/} ;;
    t) duration=$OPTARG ;;
    r)
      case $OPTARG in '' | *[!A-Za-z0-9.:_-]*) usage "-r: '$OPTARG' is no name that this script can handle" ;; esac
      routers="$routers --on $OPTARG"
      ;;
    :) usage "-$OPTARG needs a value" ;;
    *) usage "there is no -$OPTARG" ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage 'which command?'

# What it is called in holds, books and on the page. The process id tells our hold from everybody else's.
reason="$(printf '%s' "${1##*/}" | tr -c 'A-Za-z0-9._+-' '_') (with-free-gpu.sh $$ on $(uname -n))"

# curl with the token, if there is one: on curl's standard input, for all users see its arguments.
ask() {
  if [ -n "${LLAMA_ROUTER_EXPORTER_TOKEN_FILE:-}" ]; then
    printf 'Authorization: Bearer %s\n' "$(cat "$LLAMA_ROUTER_EXPORTER_TOKEN_FILE")"
  fi | curl --silent --show-error --fail-with-body --max-time 15 --header @- "$@"
}

# Only holds that are ours: one that somebody else placed for longer stands, and is not for us to release.
release() {
  if ! holds=$(ask "$exporter/api/v1/hold"); then
    say "cannot ask for the hold; if there is one, it ends by itself, $duration after it began${holds:+ ($holds)}"
    return
  fi
  ours=$(printf '%s' "$holds" | tr '}' '\n' | grep -F "\"reason\":\"$reason\"" |
    sed -n 's/.*"router":"\([^"]*\)".*/\1/p')
  printf '%s\n' "$ours" | while IFS= read -r router; do
    [ -n "$router" ] || continue
    said=$(ask --request DELETE --get --data-urlencode "router=$router" "$exporter/api/v1/hold") ||
      say "the hold of $router was not released: $said"
  done
}

# With handlers, not ignored: COMMAND gets the signals as ever, and the script lives until it has released.
trap : INT TERM HUP

# shellcheck disable=SC2086 # --on and its names are words of their own
if llama-router-exporter unload-all --exporter "$exporter" --hold "$duration" --reason "$reason" $routers >&2; then
  "$@"
  code=$?
else
  say "the memory could not be freed, so '$1' was not run"
  code=125
fi
trap '' INT TERM HUP
release
exit "$code"
