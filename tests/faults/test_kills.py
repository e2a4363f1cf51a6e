"""Processes that are killed, interrupted, starved of disk, or doubled: nothing lost, nothing half-written."""

import ctypes
import os
import random
import resource
import signal
import time

import pytest
from helpers.disturbed import (
    COUNTS,
    OVER_TIME,
    TEXT,
    differing_from,
    finish,
    heed_interrupts,
    left_behind,
    require_nothing_half_written,
    start,
    wait_for,
    wait_for_file,
)

from langevin_qtm.data.files import open_dataset

CHECKPOINT = "out.nc.checkpoint"
OFTEN = ("--checkpoint", "0", "--resume")
EARLY = 0.2  # share of kills before the measurement
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2  # of Linux
TIGHT = 4096  # bytes that a file may have on a disk that is full


def kill_at_random(folder, rng, span):
    """Start or go on, and kill at a random moment; whether it was still running."""
    with start(folder, *OFTEN) as process:
        if rng.random() < EARLY:
            time.sleep(rng.uniform(0.0, 2.0))
        elif wait_for(process, "measure"):
            time.sleep(rng.uniform(0.0, span))
        process.kill()
        finish(process)
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode != 0


def kill_many_times(folder, reference, kills, seed):
    """Kill and resume until so many kills have struck; every result must be that of the undisturbed run."""
    rng, struck, done = random.Random(seed), 0, 0
    span = 1.1 * reference.attrs["wall_seconds"]
    while struck < kills:
        struck += kill_at_random(folder, rng, span)
        COUNTS["faults injected"] += 1
        kept = require_nothing_half_written(folder, reference)
        is_finished = (folder / "out.nc").exists()
        assert kept >= done or is_finished  # nothing lost
        done = kept
        if is_finished or struck == kills:
            assert finish(start(folder, *OFTEN, "--quiet")) == (0, "", "")
            assert differing_from(reference, folder / "out.nc") == []
            assert left_behind(folder) == ["out.nc"]
            (folder / "out.nc").unlink()
            done = 0


def test_killed_at_random_moments(folder, steady):
    kill_many_times(folder, steady, 3, seed=1)


def test_killed_at_random_moments_over_time(folder, over_time):
    (folder / "run.toml").write_text(TEXT + OVER_TIME)
    kill_many_times(folder, over_time, 2, seed=2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(3, 9))
def test_killed_fifty_times(folder, steady, seed):
    kill_many_times(folder, steady, 10, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_many_times_over_time(folder, over_time):
    (folder / "run.toml").write_text(TEXT + OVER_TIME)
    kill_many_times(folder, over_time, 15, seed=9)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_keep_the_state(folder, steady, number, status):
    with start(folder, "--checkpoint", "inf") as process:  # nothing is written but when asked to stop
        assert wait_for(process, "measure")
        process.send_signal(number)
        COUNTS["faults injected"] += 1
        ended = finish(process)
    assert ended[0] == status
    assert ended[2] == (
        f"langevin-qtm: error: interrupted; the state of the run is in {CHECKPOINT}: "
        "give the same command with --resume to go on.\n"
    )
    assert left_behind(folder) == [CHECKPOINT]
    assert 0 < require_nothing_half_written(folder, steady) < steady.attrs["periods"]
    status, _, error = finish(start(folder))
    assert status == 2
    assert error.count("\n") == 1
    assert "add `--resume` to go on with it, or remove it to start over" in error
    assert finish(start(folder, "--resume", "--quiet")) == (0, "", "")
    assert differing_from(steady, folder / "out.nc") == []
    assert left_behind(folder) == ["out.nc"]


def test_signal_before_there_is_a_state(folder):
    with start(folder) as process:
        assert wait_for(process, "prepare")
        process.send_signal(signal.SIGTERM)
        COUNTS["faults injected"] += 1
        ended = finish(process)
    assert (ended[0], ended[2]) == (
        143,
        "langevin-qtm: error: interrupted; an unfinished run leaves no file.\n",
    )
    assert left_behind(folder) == []


def test_second_process_on_one_output_refuses(folder, steady):
    with start(folder, *OFTEN) as first:
        assert wait_for(first, "measure")
        COUNTS["faults injected"] += 1
        first.send_signal(signal.SIGSTOP)  # or it may be done before the second is there
        status, _, error = finish(start(folder, *OFTEN))
        first.send_signal(signal.SIGCONT)
        assert status == 2
        assert f"`out.nc` is being written by another run (process {first.pid} on " in error
        assert finish(first)[0] == 0
    assert differing_from(steady, folder / "out.nc") == []
    assert left_behind(folder) == ["out.nc"]


def with_file_limit(limit):
    def before_execution():
        heed_interrupts()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return before_execution


def test_full_disk_costs_no_state(folder, steady):
    with start(folder, *OFTEN) as process:
        wait_for_file(folder / CHECKPOINT, process)
        process.kill()
        finish(process)
    kept = require_nothing_half_written(folder, steady)
    status, _, error = finish(start(folder, *OFTEN, preexec_fn=with_file_limit(TIGHT)))
    COUNTS["faults injected"] += 2
    assert status == 1
    assert error.startswith(f"langevin-qtm: warning: Checkpoint `{CHECKPOINT}` could not be written: ")
    assert "`out.nc` could not be written: " in error
    assert error.endswith("give the same command with --resume to go on.\n")
    assert "Traceback" not in error
    assert left_behind(folder) == [CHECKPOINT]
    assert require_nothing_half_written(folder, steady) == kept
    assert finish(start(folder, "--resume", "--quiet")) == (0, "", "")
    assert differing_from(steady, folder / "out.nc") == []


def test_output_that_does_not_fit_leaves_the_state_at_the_end(folder):
    (folder / "run.toml").write_text(
        (folder / "run.toml")
        .read_text()
        .replace("trajectories = 2, periods = 3", "trajectories = 64, periods = 64")
    )
    assert finish(start(folder, "--keep-state", "--quiet")) == (0, "", "")
    large, small = ((folder / name).stat().st_size for name in ("out.nc", CHECKPOINT))
    assert large > 1.2 * small
    whole = folder / "whole.nc"
    (folder / "out.nc").rename(whole)
    (folder / CHECKPOINT).unlink()
    limited = with_file_limit((large + small) // 2)
    status, _, error = finish(start(folder, "--checkpoint", "inf", preexec_fn=limited))
    COUNTS["faults injected"] += 1
    assert status == 1
    assert "`out.nc` could not be written: " in error
    assert left_behind(folder) == [CHECKPOINT, "whole.nc"]
    assert finish(start(folder, "--resume", "--quiet")) == (0, "", "")
    assert differing_from(open_dataset(whole), folder / "out.nc") == []


def heed_permissions():
    """Before execution: root, too, may not write where the mode of a folder says so."""
    heed_interrupts()
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def test_read_only_folder(folder, steady):
    folder.chmod(0o555)
    try:
        status, _, error = finish(start(folder, preexec_fn=heed_permissions))
        COUNTS["faults injected"] += 1
        assert status == 2
        assert "is read-only; choose another" in error
        assert left_behind(folder) == []
    finally:
        folder.chmod(0o755)
    with start(folder, "--checkpoint", "0", preexec_fn=heed_permissions) as process:
        wait_for_file(folder / CHECKPOINT, process)
        folder.chmod(0o555)
        COUNTS["faults injected"] += 1
        status, _, error = finish(process)
    folder.chmod(0o755)
    assert status == 2
    assert f"warning: Checkpoint `{CHECKPOINT}` could not be written: " in error
    assert "Traceback" not in error
    assert require_nothing_half_written(folder, steady) > 0
    assert finish(start(folder, "--resume", "--quiet")) == (0, "", "")
    assert differing_from(steady, folder / "out.nc") == []
    assert left_behind(folder) == ["out.nc"]
