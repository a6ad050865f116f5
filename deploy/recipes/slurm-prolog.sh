#!/bin/sh
# Prolog of Slurm: frees the GPU memory of this node before a job with GPUs starts, and holds it for the job.
#
# In slurm.conf:
#   Prolog=/etc/slurm/llama-prolog.sh
#   Epilog=/etc/slurm/llama-epilog.sh
#   PrologFlags=Alloc
#   PrologEpilogTimeout=600
#
# A prolog that fails drains the node, so this one waits for busy models, then interrupts them, and lets the job start in any
# case. slurmd writes its output to its log. Settings, such as LLAMA_ROUTER_EXPORTER_TOKEN_FILE or
# LLAMA_ROUTER_EXPORTER_URL, are read from /etc/default/llama-slurm.
# Documentation: docs/recipes.md
[ -n "${SLURM_JOB_GPUS:-}" ] || exit 0

# Slurm sets none.
PATH=/usr/local/bin:/usr/bin:/bin
export PATH

set -a
# shellcheck disable=SC1091 # optional file
[ ! -r /etc/default/llama-slurm ] || . /etc/default/llama-slurm
set +a

hold() {
  llama-router-exporter hold --for 24h --unload all --restore \
    --holder "slurm-$SLURM_JOB_ID" --reason "Slurm job $SLURM_JOB_ID" "$@"
}

hold || hold --when-busy force || echo "GPU memory is not free for job $SLURM_JOB_ID" >&2
exit 0
