#!/bin/sh
# Runs a command with GPU memory freed from llama.cpp's models:
#
#   with-free-gpu.sh [-e URL] [-t DURATION] [-r ROUTER]… [--] COMMAND [ARG…]
#
#   -e URL       the running llama-router-exporter (default http://localhost:10180)
#   -t DURATION  longest duration of the hold (default 4h, at most hold.max); it expires then even if this script was
#                killed
#   -r ROUTER    only this router, by its name in the exporter; can be repeated
#
# Unloads all models that are not on a keep list (waits for busy ones), holds the routers, runs COMMAND, and releases the
# hold. Exits with COMMAND's exit code, or with 125 if memory could not be freed and COMMAND was not run.
#
# The token is read from the file in LLAMA_ROUTER_EXPORTER_TOKEN_FILE and never appears on a command line.
# Needs llama-router-exporter and curl. Documentation: docs/recipes.md
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
# Router names are limited to letters, digits and .:_- here, so that the list needs no quoting.
while getopts ':e:t:r:' option; do
  case $option in
    e) exporter=${OPTARG%/} ;;
    t) duration=$OPTARG ;;
    r)
      case $OPTARG in '' | *[!A-Za-z0-9.:_-]*) usage "-r: '$OPTARG' is not a router name that this script supports" ;; esac
      routers="$routers --on $OPTARG"
      ;;
    :) usage "-$OPTARG needs a value" ;;
    *) usage "there is no -$OPTARG" ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage 'which command?'

# Shown in holds, operations and on the page. The process id identifies this script's hold.
reason="$(printf '%s' "${1##*/}" | tr -c 'A-Za-z0-9._+-' '_') (with-free-gpu.sh $$ on $(uname -n))"

# curl with the token, if any, on standard input, because all users can see arguments.
ask() {
  if [ -n "${LLAMA_ROUTER_EXPORTER_TOKEN_FILE:-}" ]; then
    printf 'Authorization: Bearer %s\n' "$(cat "$LLAMA_ROUTER_EXPORTER_TOKEN_FILE")"
  fi | curl --silent --show-error --fail-with-body --max-time 15 --header @- "$@"
}

# Releases only holds of this script, not longer holds of other callers.
release() {
  if ! holds=$(ask "$exporter/api/v1/hold"); then
    say "cannot read the hold; it expires $duration after its start${holds:+ ($holds)}"
    return
  fi
  ours=$(printf '%s' "$holds" | tr '}' '\n' | grep -F "\"reason\":\"$reason\"" |
    sed -n 's/.*"router":"\([^"]*\)".*/\1/p')
  printf '%s\n' "$ours" | while IFS= read -r router; do
    [ -n "$router" ] || continue
    said=$(ask --request DELETE --get --data-urlencode "router=$router" "$exporter/api/v1/hold") ||
      say "could not release the hold of $router: $said"
  done
}

# COMMAND receives these signals; the script survives them to release the hold.
trap : INT TERM HUP

# shellcheck disable=SC2086 # $routers is a list of words
if llama-router-exporter unload-all --exporter "$exporter" --hold "$duration" --reason "$reason" $routers >&2; then
  "$@"
  code=$?
else
  say "memory could not be freed, so '$1' was not run"
  code=125
fi
trap '' INT TERM HUP
release
exit "$code"
