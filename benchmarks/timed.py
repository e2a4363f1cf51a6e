"""One run of the public `simulate`, with set-up and measurement timed apart."""

from __future__ import annotations

import time
from dataclasses import dataclass

import xarray as xr

from langevin_qtm.physics.machine import Machine
from langevin_qtm.progress import Progress
from langevin_qtm.sampling.settings import Recording, SimulateSettings
from langevin_qtm.sampling.simulate import simulate


@dataclass(frozen=True)
class Timed:
    """A run on one thread.

    Attributes
    ----------
    dataset : xarray.Dataset
    setup : float
        Seconds before the measurement: filters, step law, response functions and compilation.
    seconds : float
        Seconds of the measurement.
    steps : int
        Trajectory-steps of the measurement.
    """

    dataset: xr.Dataset
    setup: float
    seconds: float
    steps: int

    @property
    def cost(self) -> float:
        """Seconds of a step of one trajectory."""
        return self.seconds / self.steps


def timed_simulate(machine: Machine, settings: SimulateSettings | None = None, **changes: object) -> Timed:
    """`simulate` on one thread, without stored samples."""
    began = {}

    def note(progress: Progress) -> None:
        began.setdefault(progress.stage, time.perf_counter())

    started = time.perf_counter()
    fixed = {"threads": 1, "time_limit": None, "recording": Recording(trajectories=0)}
    dataset = simulate(machine, settings, note, **fixed, **changes)
    attributes = dataset.attrs
    steps = attributes["trajectories"] * attributes["periods"] * attributes["steps_per_period"]
    return Timed(dataset, began["measure"] - started, began["evaluate"] - began["measure"], steps)
