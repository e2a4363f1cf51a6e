"""The examples for SLURM, with stand-ins for its commands that run jobs on this machine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.disturbed import TEXT, differing_from, finish, heed_interrupts, start

from langevin_qtm.data.files import open_dataset

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
COMMANDS = {
    "sbatch": 'cp "$1" job.sh\nsetsid bash job.sh >job.out 2>&1 &\necho Submitted batch job $!',
    "scancel": 'kill -9 -- -"$1"',
    "srun": 'count=${1#--ntasks=}; shift\nfor _ in $(seq "$count"); do "$@" & done; wait',
    "scontrol": 'echo "$@" > requeued',
}
SWEEP = """
periods = 2000
recording = { trajectories = 0 }
[sweep]
"drive.frequency" = [0.6, 0.7, 0.8]
"""


@pytest.fixture
def site(tmp_path):
    """A folder with the run file, and the environment of a place with SLURM."""
    (tmp_path / "run.toml").write_text(TEXT + SWEEP)
    programs = tmp_path / "slurm"
    programs.mkdir()
    for name, body in COMMANDS.items():
        (programs / name).write_text(f"#!/bin/bash\n{body}\n")
        (programs / name).chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return tmp_path, {**os.environ, "PATH": path, "SLURM_JOB_ID": "7", "SLURM_NTASKS": "3"}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    (folder / "run.toml").write_text(TEXT + SWEEP)
    assert finish(start(folder, "--quiet")) == (0, "", "")
    return open_dataset(folder / "out.nc")


def begin(site, *command):
    folder, environment = site
    return subprocess.Popen(
        [*command, "run.toml", "-o", "out.nc", "--quiet"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def test_jobs_of_dask_jobqueue(site, reference):
    script = ROOT / "docs" / "slurm" / "run_sweep.py"
    (site[0] / "small.py").write_text(script.read_text().replace("WORKERS = 16", "WORKERS = 2"))
    status, _, error = finish(begin(site, sys.executable, "small.py", "1"))
    assert status == 0, error
    assert differing_from(reference, site[0] / "out.nc") == []


def test_one_job(site, reference):
    status, _, error = finish(begin(site, "bash", str(ROOT / "docs" / "slurm" / "sweep.sh")))
    assert status == 0, error
    assert differing_from(reference, site[0] / "out.nc") == []
    assert not list(site[0].glob("scheduler-*"))


def test_one_job_whose_time_is_up_goes_back_to_the_queue(site):
    folder, script = site[0], str(ROOT / "docs" / "slurm" / "sweep.sh")
    (folder / "run.toml").write_text(TEXT + SWEEP.replace("2000", "100000"))
    process = begin(site, "bash", script)
    end = time.monotonic() + 120
    while not list(folder.glob("out.points/.langevin_qtm-*.mark")) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(8.0)
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 143
    assert (folder / "requeued").read_text() == "requeue 7\n"
    assert list(folder.glob("out.points/*.checkpoint"))
