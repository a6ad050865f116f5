#!/bin/sh
# Makes what docker-compose.yml needs and does not ship: secrets/, models/ and .env. What is there already stays.
# Usage: deploy/compose/prepare.sh [nvidia|amd|vulkan]
set -eu
cd "$(dirname "$0")/../.."

gpu=${1:-}
case $gpu in
'' | nvidia | amd | vulkan) ;;
*)
  echo "prepare.sh: there is no '$gpu': nvidia, amd or vulkan, or nothing for a machine without a GPU." >&2
  exit 2
  ;;
esac

# Nobody else gets into the folder. The files are readable to all, for the containers have users of their own.
mkdir -p secrets models
chmod 700 secrets
for name in exporter_token operator_token llama_api_key grafana_admin_password openwebui_secret_key pipelines_api_key; do
  [ -s "secrets/$name" ] && continue
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name"
  chmod 444 "secrets/$name"
  echo "made secrets/$name"
done

if [ -e .env ]; then
  echo 'kept .env as it is'
  [ -z "$gpu" ] || echo "For $gpu, look that it says COMPOSE_FILE=docker-compose.yml:deploy/compose/gpu-$gpu.yml" >&2
  exit 0
fi

group_of() { stat -c %g "$1" 2>/dev/null || echo "$2"; }
{
  echo '# stack, monitoring, openwebui or demo: see docker-compose.yml.'
  echo 'COMPOSE_PROFILES=stack'
  if [ -n "$gpu" ]; then echo "COMPOSE_FILE=docker-compose.yml:deploy/compose/gpu-$gpu.yml"; fi
  case $gpu in
  amd | vulkan)
    echo '# The groups that may use the card, by their numbers on this machine.'
    echo "RENDER_GID=$(group_of /dev/dri/renderD128 992)"
    echo "VIDEO_GID=$(group_of /dev/dri/card0 44)"
    ;;
  esac
} >.env
echo 'made .env'
echo 'Now put models (GGUF) into models/, and run: docker compose up -d'
