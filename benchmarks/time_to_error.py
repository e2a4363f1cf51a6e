"""Wall time of the measurement until P_A is known to 1 %, with set-up and compilation apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from benchmarks.main_job import main_run
from benchmarks.rounds import Line
from benchmarks.timed import timed_simulate

TARGET = 0.01
PERIODS = 2560  # many relaxation times, so that 1/√N holds, and much longer than what a block costs


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
def own_rates(rounds: int = 3, periods: int = PERIODS) -> Measured:
    """Rates of the main job on one thread, measured once in a process, by the public `simulate`.

    Parameters
    ----------
    rounds : int
    periods : int
        Measured periods.
    """
    run = main_run()
    first = timed_simulate(run.machine, run.solver, periods=16).setup
    runs = [timed_simulate(run.machine, run.solver, periods=periods) for _ in range(rounds)]
    setup, seconds = min(run.setup for run in runs), min(run.seconds for run in runs)
    dataset, steps = runs[0].dataset, runs[0].steps
    power, error = (float(dataset[name].sel(oscillator="A")) for name in ("local_power", "local_power_se"))
    step = dataset.attrs["time_step"]
    rates = Rates(power, error**2 * steps * step, step, seconds / steps)
    return Measured(rates, setup, max(0.0, first - setup))


def measure() -> list[Line]:
    """Lines of the table. Compilation is only seen when this is the first measurement in a process."""
    measured = own_rates()
    rates, run = measured.rates, main_run()
    periods = rates.length / (run.solver.trajectories * run.machine.period)
    lines = [
        ("P_A to 1 %, one thread", rates.seconds, "s", f"1/√N from {PERIODS} periods"),
        (f"periods of {run.solver.trajectories} trajectories", periods, "", "the same"),
        ("set-up", measured.setup, "s", "every run"),
        ("compilation", measured.compilation, "s", "once in a process"),
    ]
    return [Line("time to 1 %", *line) for line in lines]
