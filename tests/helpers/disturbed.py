"""Runs that are disturbed: the command line in a process of its own, and what may lie in its folder then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np

from langevin_qtm.data.checkpoint import read_checkpoint
from langevin_qtm.data.files import open_dataset

TEXT = """
title = "disturbed"
medium.frequencies = { A = 1.0, B = 0.6 }
drive.frequency = 0.7
[[reservoir]]
name = "driven"
temperature = 0.4
spectral_density = { kind = "drude", gamma = 0.02, cutoff = 5.0 }
coupling = { A = { amplitude = 1.0 }, B = { amplitude = 1.0, phase = 1.5 } }
[[reservoir]]
name = "static"
temperature = 0.8
spectral_density = { kind = "drude", gamma = 0.5, cutoff = 20.0 }
[solver]
method = "simulate"
trajectories = 128
threads = 1
seed = 5
"""
STEADY = "periods = 3200\nrecording = { work_periods = 7, trajectories = 2, periods = 3 }\n"
OVER_TIME = "duration = 12.0\npoints = 41\nrecording = { work = true }\n"
BY_THE_CLOCK = {"wall_seconds", "created", "history"}  # tell of the process, not of the result
SECONDS = 120  # for any process
COUNTS: Counter[str] = Counter()  # of a session: faults injected, results compared, results that differed


def start(folder, *arguments, **options):
    """The program on `run.toml` in a folder, its output line by line in a pipe; heeds interrupts."""
    command = [sys.executable, "-m", "langevin_qtm", "run", "run.toml", "-o", "out.nc", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    shell = {"restore_signals": True, "preexec_fn": heed_interrupts, "env": environment, "cwd": folder}
    return subprocess.Popen(command, **pipes, **{**shell, **options})


def heed_interrupts():
    """A shell starts background jobs deaf to interrupts, and tests may run in one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process):
    """Status, output and errors of a process that ends by itself."""
    output, error = process.communicate(timeout=SECONDS)
    return process.returncode, output, error


def wait_for(process, stage):
    """Read lines until a stage is announced; False when the process ends before."""
    return any(line.startswith(stage) for line in process.stdout)


def wait_for_file(path, process):
    """Until the file is there, or the process ends."""
    end = time.monotonic() + SECONDS
    while not path.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


def differences(one, other):
    """Names of variables and attributes of two datasets that are not the same bit for bit."""
    COUNTS["results compared"] += 1
    names = {*one.variables, *other.variables} - BY_THE_CLOCK
    found = [
        n for n in names if n not in one.variables or n not in other.variables or not same(one[n], other[n])
    ]
    keys = ({*one.attrs} | {*other.attrs}) - BY_THE_CLOCK
    found += [key for key in keys if not np.array_equal(one.attrs.get(key), other.attrs.get(key))]
    COUNTS["results that differed"] += bool(found)
    return sorted(map(str, found))


def same(one, other):
    """Whether two variables have the same type, bits and attributes."""
    attrs = one.attrs.keys() == other.attrs.keys()
    attrs = attrs and all(np.array_equal(one.attrs[key], other.attrs[key]) for key in one.attrs)
    one, other = one.values, other.values
    if one.dtype == object:
        return attrs and np.array_equal(one, other)
    return (
        attrs and one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def differing_from(reference, path):
    """The same for a dataset and a file."""
    return differences(reference, open_dataset(path))


def require_nothing_half_written(folder, reference):
    """What a killed run may leave: whole files under their names, and hidden ones; the progress kept.

    Returns
    -------
    int
        Periods, or intervals, in the checkpoint; 0 without one.
    """
    visible = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert visible <= {"run.toml", "out.nc", "out.nc.checkpoint"}, visible
    if "out.nc" in visible:
        assert differing_from(reference, folder / "out.nc") == []
    if "out.nc.checkpoint" not in visible:
        return 0
    state, _ = read_checkpoint(folder / "out.nc.checkpoint")
    return int(state["periods"].min() if "periods" in state else state["place"])


def left_behind(folder):
    """Files beside the run file, hidden ones too."""
    return sorted(path.name for path in folder.iterdir() if path.name != "run.toml")
