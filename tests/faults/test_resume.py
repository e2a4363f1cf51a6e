"""Runs that are stopped and go on, in one process: the same bits wherever they are cut; growth; refusals."""

import itertools
import re
import time
from functools import partial

import numpy as np
import pytest
from helpers.disturbed import COUNTS, STEADY, TEXT, differences, differing_from
from helpers.engines import Elsewhere

from langevin_qtm import resuming
from langevin_qtm.cli import main
from langevin_qtm.data.checkpoint import read_checkpoint, write_checkpoint
from langevin_qtm.data.files import open_dataset
from langevin_qtm.data.runfile import load_run
from langevin_qtm.errors import InputError
from langevin_qtm.sampling import blocks, measurement
from langevin_qtm.sampling import simulate as module
from langevin_qtm.sampling.simulate import simulate
from langevin_qtm.tasks import Threads

SHORT = TEXT.replace("128", "64")
CASES = {
    "periods": "periods = 40\nrecording = { work_periods = 3, trajectories = 2, periods = 3 }\n",
    "transient": "periods = 40\nrun_in = 0\nstart = { kind = 'factorised' }\n",
    "target": "target_error = 0.007\n",
    "time": "duration = 4.0\npoints = 21\nrecording = { work = true, trajectories = 3 }\n",
    "protocol": "duration = 4.0\npoints = 21\nstart = { kind = 'factorised', temperature = 0.3 }\n",
}


SHORT_ROUNDS = Threads(1, round_seconds=0.0)  # a period, or an interval, each


class Stop(Exception):
    """The run ends here."""


class Stopping:
    """Keeps states in a file, and ends the run at the n-th."""

    def __init__(self, path, stop):
        self.path, self.left, self.closed = path, stop, False

    def recall(self):
        return read_checkpoint(self.path)[0] if self.path.exists() else None

    def offer(self, state):
        self.left -= 1
        if self.left == 0:
            write_checkpoint(self.path, state(), {})
            COUNTS["faults injected"] += 1
            raise Stop

    def close(self, state):
        self.closed = True
        write_checkpoint(self.path, state(), {})


def load(folder, text):
    path = folder / "run.toml"
    path.write_text(text)
    return load_run(path)


def after_stops(run, path, stops):
    """Dataset of a run that is stopped after so many rounds each time; how often it was."""
    for count, stop in enumerate(stops):
        try:
            return simulate(run.machine, run.solver, keeper=Stopping(path, stop), engine=SHORT_ROUNDS), count
        except Stop:
            pass
    raise AssertionError("the stops do not suffice")


STOPS = {"early": [1, 7, 3, 9999], "last": [20, 9999], "often": itertools.repeat(40)}
RARELY = [("transient", "early"), ("periods", "last"), ("target", "often"), ("time", "last")]
TRIED = [(case, "early") for case in CASES if case != "transient"]
TRIED += [pytest.param(*pair, marks=pytest.mark.slow) for pair in RARELY]


@pytest.mark.parametrize(("case", "stops"), TRIED)
def test_stopped_runs_end_with_the_same_bits(tmp_path, monkeypatch, case, stops):
    monkeypatch.setattr(measurement, "LOOK_STEPS", 64 * 64 * 8)  # a look every eight periods
    monkeypatch.setattr(blocks, "MAX_BLOCKS", 8)  # so that blocks are merged
    run = load(tmp_path, SHORT + CASES[case])
    whole = simulate(run.machine, run.solver)
    resumed, count = after_stops(run, tmp_path / "state", STOPS[stops])
    assert differences(whole, resumed) == []
    assert count >= 1


def test_a_state_that_lacks_a_window_of_work_would_be_seen(tmp_path):
    run = load(tmp_path, SHORT + CASES["periods"])
    whole = simulate(run.machine, run.solver)
    path = tmp_path / "state"
    with pytest.raises(Stop):
        simulate(run.machine, run.solver, keeper=Stopping(path, 7), engine=SHORT_ROUNDS)
    state, _ = read_checkpoint(path)
    state["works"][1] = state["works"][0]
    write_checkpoint(path, state, {})
    other = simulate(run.machine, run.solver, keeper=Stopping(path, 99))
    compared = COUNTS["results that differed"]
    assert "window_work" in differences(whole, other)
    COUNTS["results that differed"] = compared  # on purpose


def test_other_steps_are_refused(tmp_path):
    run = load(tmp_path, SHORT + CASES["periods"])
    path = tmp_path / "state"
    with pytest.raises(Stop):
        simulate(run.machine, run.solver, keeper=Stopping(path, 3), engine=SHORT_ROUNDS)
    warmer = load(tmp_path, (SHORT + CASES["periods"]).replace("0.8", "0.8000000001"))
    with pytest.raises(InputError, match="other time steps"):
        simulate(warmer.machine, warmer.solver, keeper=Stopping(path, 3))


# ------------------------------------------------------------------------------------- the command line


@pytest.fixture
def short(tmp_path, monkeypatch):
    """A run file in the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text(SHORT + CASES["periods"])
    return tmp_path


def command(*arguments):
    return main(["run", "run.toml", "-o", "out.nc", "--quiet", *arguments])


MORE = {
    "periods": ["solver.periods=125"],
    "trajectories": ["solver.trajectories=192"],
    "both": ["solver.periods=125", "solver.trajectories=192"],
}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_a_finished_run_grows(short, more):
    begun = ["--set", "solver.periods=71"]  # within a block
    more = [*begun, *(part for text in more for part in ("--set", text))]
    assert command(*more) == 0
    whole = open_dataset("out.nc")
    assert whole.sizes["window"] == whole.attrs["periods"] // 3
    assert command("--keep-state", *begun) == 0
    assert (short / "out.nc.checkpoint").exists()
    assert command("--resume", *more) == 0
    assert not (short / "out.nc.checkpoint").exists()
    assert differing_from(whole, short / "out.nc") == []


def test_a_run_that_was_good_enough_goes_on_to_a_smaller_error(short, monkeypatch):
    monkeypatch.setattr(measurement, "LOOK_STEPS", 64 * 64 * 8)
    (short / "run.toml").write_text(SHORT + "target_error = 0.006\n")
    assert command() == 0
    whole = open_dataset("out.nc")
    assert whole.attrs["stop_reason"] == "target_error"
    assert command("--keep-state", "--set", "solver.target_error=0.02") == 0
    assert 0 < open_dataset("out.nc").attrs["periods"] < whole.attrs["periods"]
    assert command("--resume") == 0
    assert differing_from(whole, short / "out.nc") == []


def test_a_run_stopped_where_it_is_good_enough_ends_there(tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "LOOK_STEPS", 64 * 64 * 8)
    run, path = load(tmp_path, SHORT + "target_error = 0.01\n"), tmp_path / "state"
    whole = simulate(run.machine, run.solver)
    stopping = Stopping(path, whole.attrs["periods"])
    with pytest.raises(Stop):
        simulate(run.machine, run.solver, keeper=stopping, engine=SHORT_ROUNDS)
    assert differences(whole, simulate(run.machine, run.solver, keeper=Stopping(path, 99))) == []


def test_a_run_whose_time_was_up_goes_on(tmp_path):
    run = load(tmp_path, SHORT + CASES["periods"])
    path = tmp_path / "state"
    early = simulate(run.machine, run.solver, time_limit=1e-9, keeper=Stopping(path, 99), engine=SHORT_ROUNDS)
    assert early.attrs["stop_reason"] == "time_limit"
    assert early.attrs["periods"] < 40
    resumed = simulate(run.machine, run.solver, keeper=Stopping(path, 99))
    assert differences(simulate(run.machine, run.solver), resumed) == []


@pytest.mark.parametrize("stop", [1, 5, 39, 45])
def test_a_growing_run_may_be_stopped_while_new_trajectories_catch_up(tmp_path, stop):
    run, path = load(tmp_path, SHORT + CASES["periods"]), tmp_path / "state"
    simulate(run.machine, run.solver, keeper=Stopping(path, 99))
    more = {"trajectories": 128, "periods": 50}
    with pytest.raises(Stop):
        simulate(run.machine, run.solver, keeper=Stopping(path, stop), engine=SHORT_ROUNDS, **more)
    state, _ = read_checkpoint(path)
    assert state["periods"].tolist() == [max(40, stop), stop]
    more["trajectories"] = 192
    resumed = simulate(run.machine, run.solver, keeper=Stopping(path, 999), engine=SHORT_ROUNDS, **more)
    assert differences(simulate(run.machine, run.solver, **more), resumed) == []


@pytest.mark.parametrize("case", ["periods", "time"])
def test_results_do_not_depend_on_the_engine(tmp_path, case):
    run = load(tmp_path, SHORT + CASES[case])
    more = {"trajectories": 192}
    whole = simulate(run.machine, run.solver, **more)
    for engine in (Elsewhere(2, 0.0), Elsewhere(3), Elsewhere(7), Threads(2), Threads(3, 0.0)):
        found = simulate(run.machine, run.solver, engine=engine, **more)
        assert differences(whole, found) == []
        assert getattr(engine, "tasks", 2) > 1


def test_a_finished_run_resumed_gives_itself(short):
    assert command("--keep-state") == 0
    whole = open_dataset("out.nc")
    assert command("--resume") == 0
    assert differing_from(whole, short / "out.nc") == []


def test_fewer_periods_are_refused(short, capsys):
    assert command("--keep-state") == 0
    assert command("--resume", "--set", "solver.periods=20") == 2
    assert (
        "`solver.periods` = 20 is less than the 40 periods that the checkpoint has" in capsys.readouterr().err
    )
    assert (short / "out.nc.checkpoint").exists()


def test_fewer_trajectories_are_refused(short, capsys):
    more = ("--set", "solver.trajectories=128")
    assert command("--keep-state", *more) == 0
    assert command("--resume") == 2
    assert (
        "`solver.trajectories` = 64 is less than the 128 trajectories that the checkpoint has; raise it"
        in capsys.readouterr().err
    )
    assert (short / "out.nc.checkpoint").exists()


def test_fewer_trajectories_over_time_are_refused(short, capsys):
    (short / "run.toml").write_text(SHORT + CASES["time"])
    assert command("--keep-state", "--set", "solver.trajectories=128") == 0
    assert command("--resume") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "`solver.trajectories` = 64 is less than the 128 trajectories that the checkpoint has" in error
    assert (short / "out.nc.checkpoint").exists()


def test_a_finished_run_over_time_grows(short):
    (short / "run.toml").write_text(SHORT + CASES["time"])
    more = ("--set", "solver.trajectories=192")
    assert command(*more) == 0
    whole = open_dataset("out.nc")
    assert command("--keep-state") == 0
    assert command("--resume", "--keep-state", "--set", "solver.trajectories=128") == 0
    assert command("--resume", *more) == 0
    assert differing_from(whole, short / "out.nc") == []


@pytest.mark.parametrize(("begun", "stop"), [(99, 1), (99, 7), (99, 19), (3, 6), (3, 20)])
def test_a_growing_run_over_time_may_be_stopped(tmp_path, begun, stop):
    run, path = load(tmp_path, SHORT + CASES["time"]), tmp_path / "state"
    if begun == 99:
        simulate(run.machine, run.solver, keeper=Stopping(path, begun))
    else:
        with pytest.raises(Stop):
            simulate(run.machine, run.solver, keeper=Stopping(path, begun), engine=SHORT_ROUNDS)
    more = {"trajectories": 128}
    with pytest.raises(Stop):
        simulate(run.machine, run.solver, keeper=Stopping(path, stop), engine=SHORT_ROUNDS, **more)
    more["trajectories"] = 256
    resumed = simulate(run.machine, run.solver, keeper=Stopping(path, 999), engine=SHORT_ROUNDS, **more)
    assert differences(simulate(run.machine, run.solver, **more), resumed) == []


def test_resume_without_a_checkpoint_begins(short, capsys):
    assert main(["run", "run.toml", "-o", "out.nc", "--resume"]) == 0
    assert capsys.readouterr().out.startswith("No out.nc.checkpoint: from the start\n")
    assert [path.name for path in short.iterdir() if path.name != "run.toml"] == ["out.nc"]


def changed(name, value):
    def change(identity):
        *tables, key = name.split(".")
        for table in tables:
            identity = identity[table]
        assert key in identity
        identity[key] = value

    return change


FOREIGN = {
    "version": (
        changed("libraries.langevin_qtm", "0.0.9"),
        "was written with langevin_qtm 0.0.9, but this is",
    ),
    "compiler": (changed("libraries.numba", "0.1"), "was written with numba 0.1, but this is"),
    "sources": (changed("sources", "0123"), r"was written by other sources .*\(0123, here"),
    "processor": (changed("processor", "z80 (00)"), r"on a processor of type z80 \(00\), but this is"),
    "configuration": (
        changed("configuration.drive.frequency", 0.5),
        r"another configuration: `drive\.frequency` was 0\.5, and is 0\.7 now",
    ),
    "list": (changed("configuration.reservoir", []), "another configuration: `reservoir` was"),
    "setting": (changed("configuration.solver.seed", 9), r"`solver\.seed` was 9, and is 5 now"),
}


@pytest.mark.parametrize(("change", "message"), FOREIGN.values(), ids=FOREIGN)
def test_checkpoints_of_other_runs_are_refused_with_the_reason(short, capsys, change, message):
    path = short / "out.nc.checkpoint"
    assert command("--keep-state") == 0
    (short / "out.nc").unlink()
    state, identity = read_checkpoint(path)
    change(identity)
    write_checkpoint(path, state, identity)
    before = path.read_bytes()
    COUNTS["faults injected"] += 1
    assert command("--resume") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error
    assert path.read_bytes() == before
    assert not (short / "out.nc").exists()


def test_a_clock_that_goes_backwards_changes_nothing(short, monkeypatch):
    assert command() == 0
    whole = open_dataset("out.nc")
    clock = itertools.count(4e9, -3600.0)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * next(clock)))
    COUNTS["faults injected"] += 1
    for _ in range(3):
        keep = ["--checkpoint", "0", "--keep-state", "--resume"]
        assert command(*keep) == 0
        assert differing_from(whole, short / "out.nc") == []


def test_time_limits_count_seconds_of_measurement_only(tmp_path):
    run = load(tmp_path, SHORT + "time_limit = 0.3\n")
    path = tmp_path / "state"
    with pytest.raises(Stop):
        simulate(run.machine, run.solver, keeper=Stopping(path, 2), engine=SHORT_ROUNDS)
    state, _ = read_checkpoint(path)
    assert 0 < state["seconds"] < 0.3
    state["seconds"] = np.array(0.4)
    write_checkpoint(path, state, {})
    resumed = simulate(run.machine, run.solver, keeper=Stopping(path, 99))
    assert resumed.attrs["stop_reason"] == "time_limit"
    assert resumed.attrs["periods"] == state["periods"].min()


SWEEP = STEADY.replace("3200", "200") + "[sweep]\n'drive.frequency' = [0.7, 0.9]\n"


def test_points_of_sweeps_go_on_where_they_were(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "Threads", partial(Threads, round_seconds=0.0))
    (tmp_path / "run.toml").write_text(TEXT + SWEEP)
    assert command() == 0
    whole = open_dataset("out.nc")
    for path in (tmp_path / "out.points").iterdir():
        path.unlink()
    offer, offered = resuming.Checkpoint.offer, []

    def interrupted(self, state):
        offered.append(int(state()["periods"].min()))
        if len(offered) in (50, 300):
            self.interruption.asked = 15
            COUNTS["faults injected"] += 1
        offer(self, state)

    monkeypatch.setattr(resuming.Checkpoint, "offer", interrupted)
    for _ in range(2):
        assert command() == 143
        assert [p.suffix for p in (tmp_path / "out.points").iterdir()].count(".checkpoint") == 1
    assert command() == 0
    assert offered == 2 * [*range(1, 201)]  # no period was done twice
    assert differing_from(whole, tmp_path / "out.nc") == []
    assert all(path.suffix == ".nc" for path in (tmp_path / "out.points").iterdir())
