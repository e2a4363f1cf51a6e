"""One run file on the nodes of a SLURM cluster, without a job for the process that leads.

    python docs/slurm/run_sweep.py JOBS FILE [options of `langevin-qtm run`]

asks SLURM for so many jobs of 16 workers each, and runs the file with them as they come. It runs where it is
started, such as a login node in `tmux`, and needs the memory of the combined dataset alone. Adapt the numbers
of `SLURMCluster`; more of its options are in the documentation of dask-jobqueue.
"""

import sys

from dask_jobqueue import SLURMCluster

from langevin_qtm.cli import main

WORKERS = 16  # processes of a job, each with one core
SINGLE = "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1"

if __name__ == "__main__":
    jobs, *arguments = sys.argv[1:]
    with SLURMCluster(
        cores=WORKERS,
        processes=WORKERS,
        memory=f"{2 * WORKERS}GB",
        walltime="24:00:00",
        job_script_prologue=[SINGLE],
        scheduler_options={"dashboard_address": ":0"},
    ) as cluster:
        cluster.scale(jobs=int(jobs))
        sys.exit(main(["run", *arguments, "--scheduler", cluster.scheduler_address]))
