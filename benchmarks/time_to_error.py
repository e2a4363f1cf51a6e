"""Wall time of the measurement until P_A is known to 1 %, with set-up and compilation apart."""

from __future__ import annotations

import time

from benchmarks.main_job import main_run
from benchmarks.rounds import Line
from langevin_qtm.sampling.progress import Progress
from langevin_qtm.sampling.settings import Recording
from langevin_qtm.sampling.simulate import simulate

TARGET = 0.01


def measure(rounds: int = 3, periods: int = 320) -> list[Line]:
    """Lines of the table. Compilation is only seen when this is the first measurement in a process.

    Parameters
    ----------
    rounds : int
    periods : int
        Measured periods; many relaxation times, so that 1/√N holds.
    """
    _, first, _ = _timed_run(periods=16)
    runs = [_timed_run(periods) for _ in range(rounds)]
    setup = min(run[1] for run in runs)
    seconds = min(run[2] for run in runs)
    error = runs[0][0]
    needed = (error / TARGET) ** 2
    trajectories = main_run().solver.trajectories
    lines = [
        (
            "P_A to 1 %, one thread",
            needed * seconds,
            "s",
            f"1/√N from {100 * error:.2g} % in {seconds:.2g} s",
        ),
        (f"periods of {trajectories} trajectories", needed * periods, "", f"1/√N from {periods}"),
        ("set-up", setup, "s", "every run"),
        ("compilation", max(0.0, first - setup), "s", "once in a process"),
    ]
    return [Line("time to 1 %", *line) for line in lines]


def _timed_run(periods: int) -> tuple[float, float, float]:
    """Relative standard error of P_A, seconds before the measurement, seconds of the measurement."""
    began = {}

    def note(progress: Progress) -> None:
        began.setdefault(progress.stage, time.perf_counter())

    run = main_run()
    changes = {"periods": periods, "threads": 1, "time_limit": None, "recording": Recording(trajectories=0)}
    dataset = simulate(run.machine, run.solver, note, **changes)
    power, error = (float(dataset[name].sel(oscillator="A")) for name in ("local_power", "local_power_se"))
    before, during = began["measure"] - began["prepare"], began["evaluate"] - began["measure"]
    return error / abs(power), before, during
