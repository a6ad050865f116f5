#!/bin/sh
# Epilog of Slurm: ends the hold of slurm-prolog.sh, which see. An epilog that fails drains the node, so this one does not.
# Documentation: docs/recipes.md
[ -n "${SLURM_JOB_GPUS:-}" ] || exit 0

# Slurm sets none.
PATH=/usr/local/bin:/usr/bin:/bin
export PATH

set -a
# shellcheck disable=SC1091 # optional file
[ ! -r /etc/default/llama-slurm ] || . /etc/default/llama-slurm
set +a

llama-router-exporter release --mine --holder "slurm-$SLURM_JOB_ID"
exit 0
