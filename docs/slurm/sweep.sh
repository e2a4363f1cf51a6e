#!/bin/bash
# One run file as one SLURM job: sbatch docs/slurm/sweep.sh FILE [options of `langevin-qtm run`]
#
# All tasks but one run workers; the rest is left to scheduler and leader. Two minutes before its time is up, the
# job is told, every point keeps its state, and the job goes back to the queue: it goes on where it was.
#SBATCH --job-name=langevin_qtm
#SBATCH --ntasks=65
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
set -u
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

scheduler=$PWD/scheduler-$SLURM_JOB_ID.json # on a file system that all nodes share
trap 'kill $(jobs -p) 2>/dev/null; rm -f "$scheduler"' EXIT
rm -f "$scheduler"
dask scheduler --scheduler-file "$scheduler" --no-dashboard --port 0 &
until [ -s "$scheduler" ]; do sleep 0.5; done
srun --ntasks=$((SLURM_NTASKS - 1)) dask worker --scheduler-file "$scheduler" --nthreads 1 --no-dashboard &

langevin-qtm run "$@" --resume --scheduler "$scheduler" &
leader=$!
trap 'kill -TERM $leader' TERM
wait $leader
status=$?
if [ $status -gt 128 ]; then # the signal ended `wait`, not the leader
  wait $leader
  status=$?
fi
[ $status -eq 143 ] && scontrol requeue "$SLURM_JOB_ID"
exit $status
