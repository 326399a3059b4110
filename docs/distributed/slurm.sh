#!/bin/bash
# sbatch docs/distributed/slurm.sh: one Ray node per machine, the driver on the first of them.
# Requeued after preemption, the same command goes on where it stopped.
#SBATCH --job-name=cheers-bench
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail

port=6379
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address="$(getent hosts "$head" | awk '{print $1; exit}'):$port"
export RAY_USAGE_STATS_ENABLED=0

srun --nodes=1 --ntasks=1 --nodelist="$head" \
  ray start --head --port="$port" --num-gpus=8 --num-cpus=64 --include-dashboard=false --block &
sleep 20
others=$((SLURM_JOB_NUM_NODES - 1))
if [ "$others" -gt 0 ]; then
  srun --nodes="$others" --ntasks="$others" --exclude="$head" \
    ray start --address="$address" --num-gpus=8 --num-cpus=64 --block &
fi
sleep 20

cheers-bench run --engine ray --address "$address" --workers 30 --gpus-per-worker 1 \
  --judges 2 --gpus-per-judge 1 \
  --task geneval --model cheers:/shared/checkpoints/Cheers --out /shared/runs/cheers-geneval
