#!/bin/sh
# Creates secrets/, models/ and .env for docker-compose.yml. Existing files stay unchanged.
# Usage: deploy/compose/prepare.sh [nvidia|amd|vulkan]
set -eu
cd "$(dirname "$0")/../.."

gpu=${1:-}
case $gpu in
'' | nvidia | amd | vulkan) ;;
*)
  echo "prepare.sh: unknown GPU '$gpu'. Use nvidia, amd or vulkan, or no argument without a GPU." >&2
  exit 2
  ;;
esac

# Only the owner can enter the folder. The files are readable for all users, because containers use different ones.
mkdir -p secrets models
chmod 700 secrets
for name in exporter_token operator_token llama_api_key grafana_admin_password openwebui_secret_key pipelines_api_key; do
  [ -s "secrets/$name" ] && continue
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name"
  chmod 444 "secrets/$name"
  echo "created secrets/$name"
done

if [ -e .env ]; then
  echo 'kept existing .env'
  [ -z "$gpu" ] || echo "For $gpu, .env needs COMPOSE_FILE=docker-compose.yml:deploy/compose/gpu-$gpu.yml" >&2
  exit 0
fi

group_of() { stat -c %g "$1" 2>/dev/null || echo "$2"; }
{
  echo '# stack, monitoring, openwebui or demo: see docker-compose.yml.'
  echo 'COMPOSE_PROFILES=stack'
  if [ -n "$gpu" ]; then echo "COMPOSE_FILE=docker-compose.yml:deploy/compose/gpu-$gpu.yml"; fi
  case $gpu in
  amd | vulkan)
    echo '# Groups of this machine that can use the card.'
    echo "RENDER_GID=$(group_of /dev/dri/renderD128 992)"
    echo "VIDEO_GID=$(group_of /dev/dri/card0 44)"
    ;;
  esac
} >.env
echo 'created .env'
echo 'Next: put GGUF models into models/ and run: docker compose up -d'
