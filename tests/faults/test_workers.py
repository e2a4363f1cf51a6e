"""Workers and the process that leads them are killed: nothing lost, nothing doubled, the same bits."""

import os
import random
import signal
import time
from functools import partial

import psutil
import pytest
from helpers.disturbed import (
    COUNTS,
    OVER_TIME,
    STEADY,
    TEXT,
    differing_from,
    finish,
    heed_interrupts,
    left_behind,
    start,
)

from langevin_qtm.cluster.engine import PATIENCE
from langevin_qtm.data.files import open_dataset

pytestmark = pytest.mark.timeout(600)
POINTS = """
periods = 3000
recording = { trajectories = 0 }
[sweep]
"drive.frequency" = { start = 0.5, stop = 0.9, num = 6 }
"""
LONG = POINTS.replace("3000", "60000").replace("6 }", "2 }")
WORKERS = ("--workers", "2")
OFTEN = ("--checkpoint", "0")


def in_one_process(folder, text):
    """Dataset of a sweep, one point after another."""
    (folder / "run.toml").write_text(TEXT + text)
    assert finish(start(folder, "--quiet")) == (0, "", "")
    return open_dataset(folder / "out.nc")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Dataset of the sweep that nothing happened to."""
    return in_one_process(tmp_path_factory.mktemp("undisturbed"), POINTS)


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """The same of the sweep whose points take some seconds."""
    return in_one_process(tmp_path_factory.mktemp("long"), LONG)


@pytest.fixture
def sweep(tmp_path):
    """A folder with the run file alone."""
    (tmp_path / "run.toml").write_text(TEXT + POINTS)
    return tmp_path


def workers_of(process):
    """Processes that run tasks of a program."""
    found = []
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:  # it has just ended
        return []
    for child in children:
        try:
            if any("spawn_main" in part for part in child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            pass
    return found


def files(folder, suffix):
    return sorted((folder / "out.points").glob(f"*{suffix}"))


def states(folder):
    """What points have left, and when."""
    found = [*files(folder, ".checkpoint"), *files(folder, ".nc")]
    return {path.name: path.stat().st_mtime_ns for path in found if path.exists()}


def wait_until(condition, process):
    end = time.monotonic() + 120
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    return process.poll() is None


def require_whole_points(folder):
    """Every point file that is there can be read; the names of all."""
    for path in files(folder, ".nc"):
        assert open_dataset(path).attrs["periods"] == 3000
    return {path.name for path in files(folder, ".nc")}


def require_same(folder, undisturbed):
    """The dataset is that of an undisturbed run, and nothing lies about."""
    assert differing_from(undisturbed, folder / "out.nc") == []
    assert left_behind(folder) == ["out.nc", "out.points"]
    assert {path.suffix for path in (folder / "out.points").iterdir()} == {".nc"}


def test_workers_give_the_bits_of_one_process(sweep, undisturbed):
    assert finish(start(sweep, *WORKERS, "--quiet")) == (0, "", "")
    require_same(sweep, undisturbed)


def has_begun(folder, points):
    """Whether more than so many points have left something."""
    return len(files(folder, ".checkpoint")) + len(files(folder, ".nc")) > points


def kill_workers(folder, kills, seed):
    """Run the sweep, and kill a worker at random again and again."""
    rng = random.Random(seed)
    with start(folder, *WORKERS, *OFTEN, "--quiet") as process:
        for kill in range(kills):
            wait_until(partial(has_begun, folder, kill), process)
            time.sleep(rng.uniform(0.0, 0.5))
            running = workers_of(process)
            if running:
                rng.choice(running).kill()
                COUNTS["faults injected"] += 1
        return finish(process)


def test_killed_workers_cost_nothing(sweep, undisturbed):
    assert kill_workers(sweep, 2, seed=1) == (0, "", "")
    require_same(sweep, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_killed_workers_cost_nothing(sweep, undisturbed, seed):
    status, _, error = kill_workers(sweep, 6, seed)
    if status:  # a point whose worker died four times is lost, says so, and is tried again
        assert (status, "The worker died 4 times" in error) == (1, True), error
        assert finish(start(sweep, "--retry", "--quiet")) == (0, "", "")
    require_same(sweep, undisturbed)


def kill_leader(folder, rng):
    """Run the sweep and kill its main process at random: its workers end, and what was finished stays."""
    before, seen = require_whole_points(folder), states(folder)
    with start(folder, *WORKERS, *OFTEN, "--quiet") as process:
        wait_until(lambda: states(folder) != seen, process)  # or it would never get anywhere
        time.sleep(rng.uniform(0.0, 1.0))
        children = workers_of(process)
        process.kill()
        COUNTS["faults injected"] += 1
        finish(process)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    assert before <= require_whole_points(folder)


def test_a_killed_leader_takes_its_workers_along_and_the_sweep_goes_on(sweep, undisturbed):
    kill_leader(sweep, random.Random(5))
    assert finish(start(sweep, *WORKERS, "--quiet")) == (0, "", "")
    require_same(sweep, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 10))
def test_leaders_killed_again_and_again(sweep, undisturbed, seed):
    rng = random.Random(seed)
    while not (sweep / "out.nc").exists():
        kill_leader(sweep, rng)
    assert finish(start(sweep, "--quiet")) == (
        0,
        "",
        "",
    )  # a leader killed at its very end leaves its lock file
    require_same(sweep, undisturbed)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
)
def test_points_keep_their_state_when_the_leader_is_asked_to_end(sweep, long, number, status):
    def own_group():
        heed_interrupts()
        os.setpgid(0, 0)

    (sweep / "run.toml").write_text(TEXT + LONG)
    with start(sweep, *WORKERS, "--checkpoint", "3", preexec_fn=own_group) as process:
        wait_until(lambda: len(files(sweep, ".checkpoint")) == 2, process)
        asked = time.time_ns()
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        COUNTS["faults injected"] += 1
        ended = finish(process)
    assert time.time_ns() - asked < 1e9 * PATIENCE / 2  # they heard, and nobody lost patience
    sentence = "interrupted; finished points are in out.points: give the same command to go on.\n"
    assert (ended[0], ended[2]) == (status, f"langevin-qtm: error: {sentence}")
    kept = files(sweep, ".checkpoint")
    assert len(kept) == 2  # one of each worker
    assert all(path.stat().st_mtime_ns > asked for path in kept)
    assert finish(start(sweep, *WORKERS, "--quiet")) == (0, "", "")
    assert differing_from(long, sweep / "out.nc") == []


# ------------------------------------------------------------------------- trajectories of one run


def test_trajectories_on_workers_give_the_bits_of_one_process(folder, steady):
    assert finish(start(folder, *WORKERS, "--quiet")) == (0, "", "")
    assert differing_from(steady, folder / "out.nc") == []


def test_trajectories_over_time_on_workers_give_the_bits_of_one_process(folder, over_time):
    (folder / "run.toml").write_text(TEXT + OVER_TIME)
    assert finish(start(folder, *WORKERS, "--quiet")) == (0, "", "")
    assert differing_from(over_time, folder / "out.nc") == []


@pytest.mark.slow
def test_a_run_outlives_a_worker_and_its_leader(folder):
    reference = in_one_process(folder, STEADY.replace("3200", "100000"))
    (folder / "out.nc").unlink()
    with start(folder, *WORKERS, *OFTEN) as process:
        wait_until((folder / "out.nc.checkpoint").exists, process)
        for each in workers_of(process)[:1]:
            each.kill()
            COUNTS["faults injected"] += 1
        time.sleep(3.0)
        process.send_signal(signal.SIGTERM)
        COUNTS["faults injected"] += 1
        status, _, error = finish(process)
    assert (status, "give the same command with --resume" in error) == (143, True), error
    assert finish(start(folder, "--resume", "--quiet")) == (0, "", "")  # without workers
    assert differing_from(reference, folder / "out.nc") == []
