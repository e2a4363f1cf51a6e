"""Settings of `simulate`: how many trajectories, from where, how long, how finely, what is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from langevin_qtm.physics._model import Model, NonNegative, Positive
from langevin_qtm.sampling.normals import LANES

Count = Annotated[int, Field(strict=True, ge=1)]


class Recording(Model):
    """Sample trajectories kept in the dataset, from the start of the measurement on.

    Parameters
    ----------
    trajectories : int
        How many, at most 64; 0 keeps none.
    interval : float, optional
        Time between samples, rounded up to whole steps. Absent: every step.
    periods : int
        Drive periods that are kept.
    """

    trajectories: Annotated[int, Field(strict=True, ge=0, le=LANES)] = 4
    interval: Positive | None = None
    periods: Count = 20


class SimulateSettings(Model):
    """Settings of `simulate`; the same names as in the `[solver]` table of a run file.

    Parameters
    ----------
    trajectories : int
        Independent trajectories, a multiple of 64. Standard errors come from their scatter.
    seed : int
        Results depend on it, and not on threads or on how the run is cut into pieces.
    start : {"equilibrated", "factorised", "steady"}
        Before the run-in: in equilibrium with the static reservoirs, driven ones switched on at t = 0;
        every oscillator thermal by itself and all reservoirs switched on; or drawn from the periodic
        steady law (no run-in).
    initial_temperature : float, optional
        Temperature of the oscillators of a factorised start; by default that of the last reservoir.
    run_in : int, optional
        Periods between start and measurement. By default seven relaxation times of the slowest Floquet
        multiplier (none for a steady start); 0 measures the transient.
    periods : int, optional
        Measured drive periods, at most.
    target_error : float, optional
        Stop when the standard error of each local power is this fraction of it. Default 0.01 when
        neither `periods` nor `time_limit` is given.
    time_limit : float, optional
        Stop after this many seconds of measurement. Default 600 when `periods` is not given, since a
        power that vanishes never reaches a relative error.
    steps_per_period : int, optional
        By default 64 for each harmonic of the drive, and more when oscillators are faster.
    noise_tolerance : float
        Relative error of the noise power spectrum on the resolved band.
    step_tolerance : float
        Relative change of powers and covariances when the discretization of the drive is halved.
    threads : int, optional
        By default all cores.
    recording : Recording
    """

    method: Literal["simulate"] = "simulate"
    trajectories: Annotated[int, Field(strict=True, ge=LANES, multiple_of=LANES)] = 256
    seed: Annotated[int, Field(strict=True, ge=0)] = 0
    start: Literal["equilibrated", "factorised", "steady"] = "equilibrated"
    initial_temperature: NonNegative | None = None
    run_in: Annotated[int, Field(strict=True, ge=0)] | None = None
    periods: Count | None = None
    target_error: Positive | None = None
    time_limit: Positive | None = None
    steps_per_period: Annotated[int, Field(strict=True, ge=8)] | None = None
    noise_tolerance: Positive = 1e-5
    step_tolerance: Positive = 5e-4
    threads: Count | None = None
    recording: Recording = Recording()
