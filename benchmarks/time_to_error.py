"""Wall time of the measurement until P_A is known to 1 %, with set-up and compilation apart."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

from benchmarks.main_job import main_run
from benchmarks.rounds import Line
from langevin_qtm.sampling.progress import Progress
from langevin_qtm.sampling.settings import Recording
from langevin_qtm.sampling.simulate import simulate

TARGET = 0.01


@dataclass(frozen=True)
class Rates:
    """What the time to an error is made of: target⁻² P_A⁻² variance / step × cost.

    Attributes
    ----------
    power : float
        P_A.
    variance : float
        Variance of the average of P_A over a time, times that time.
    step : float
        Time step.
    cost : float
        Seconds of a step of one trajectory.
    """

    power: float
    variance: float
    step: float
    cost: float

    @property
    def length(self) -> float:
        """Trajectory time, all trajectories together, until P_A is known to `TARGET`."""
        return self.variance / (TARGET * self.power) ** 2

    @property
    def seconds(self) -> float:
        """Wall time until P_A is known to `TARGET`."""
        return self.length / self.step * self.cost


@dataclass(frozen=True)
class Measured:
    """Rates of the fastest of the rounds, and seconds of set-up and compilation."""

    rates: Rates
    setup: float
    compilation: float


@cache
def own_rates(rounds: int = 3, periods: int = 320) -> Measured:
    """Rates of the main job on one thread, measured once in a process, by the public `simulate`.

    Parameters
    ----------
    rounds : int
    periods : int
        Measured periods; many relaxation times, so that 1/√N holds.
    """
    _, first, _ = _timed_run(periods=16)
    runs = [_timed_run(periods) for _ in range(rounds)]
    setup, seconds = min(run[1] for run in runs), min(run[2] for run in runs)
    dataset = runs[0][0]
    power, error = (float(dataset[name].sel(oscillator="A")) for name in ("local_power", "local_power_se"))
    step, trajectories = dataset.attrs["time_step"], dataset.attrs["trajectories"]
    total = trajectories * periods * main_run().machine.period
    rates = Rates(power, error**2 * total, step, seconds * step / total)
    return Measured(rates, setup, max(0.0, first - setup))


def measure() -> list[Line]:
    """Lines of the table. Compilation is only seen when this is the first measurement in a process."""
    measured = own_rates()
    rates, run = measured.rates, main_run()
    periods = rates.length / (run.solver.trajectories * run.machine.period)
    lines = [
        ("P_A to 1 %, one thread", rates.seconds, "s", "1/√N from 320 periods"),
        (f"periods of {run.solver.trajectories} trajectories", periods, "", "the same"),
        ("set-up", measured.setup, "s", "every run"),
        ("compilation", measured.compilation, "s", "once in a process"),
    ]
    return [Line("time to 1 %", *line) for line in lines]


def _timed_run(periods: int):
    """Dataset, seconds before the measurement, seconds of the measurement."""
    began = {}

    def note(progress: Progress) -> None:
        began.setdefault(progress.stage, time.perf_counter())

    run = main_run()
    changes = {"periods": periods, "threads": 1, "time_limit": None, "recording": Recording(trajectories=0)}
    dataset = simulate(run.machine, run.solver, note, **changes)
    return dataset, began["measure"] - began["prepare"], began["evaluate"] - began["measure"]
