"""Settings of `simulate`: how many trajectories, from where, how long, how finely, what is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from langevin_qtm.errors import InputError
from langevin_qtm.physics._model import Finite, Model, Positive
from langevin_qtm.physics.start import Equilibrated, Start
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
    work_periods : int, optional
        Keep the work of every trajectory, all of them, in consecutive windows of so many drive periods.
    work : bool
        Keep the work of every trajectory since the start, at each output time; needs `duration`.
    """

    trajectories: Annotated[int, Field(strict=True, ge=0, le=LANES)] = 4
    interval: Positive | None = None
    periods: Count = 20
    work_periods: Count | None = None
    work: bool = False


class SimulateSettings(Model):
    """Settings of `simulate`; the same names as in the `[solver]` table of a run file.

    Parameters
    ----------
    trajectories : int
        Independent trajectories, a multiple of 64. Standard errors come from their scatter.
    seed : int
        Results depend on it, and not on threads or on how the run is cut into pieces.
    start : {"equilibrated", "factorised", "steady"} or table
        In equilibrium with the static reservoirs, driven ones switched on at the start; every oscillator in
        a state of its own and all reservoirs switched on; or drawn from the periodic steady law. Tables as in
        `langevin_qtm.physics.start`. Without `duration` it comes before the run-in (none if steady).
    duration : float, optional
        Follow the ensemble for this time instead of averaging over periods: moments at `points` equidistant
        times from `start_time` on, through any protocol. `run_in`, `periods`, `target_error`, `time_limit`
        and `steps_per_period` have no meaning then.
    start_time : float, optional
        Time at which the ensemble starts, by default 0, or where the earlier run ended; needs `duration`.
    points : int
        Output times, the start among them; needs `duration`.
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
    start: Start = Equilibrated()
    start_time: Finite | None = None
    duration: Positive | None = None
    points: Annotated[int, Field(strict=True, ge=2)] = 201
    run_in: Annotated[int, Field(strict=True, ge=0)] | None = None
    periods: Count | None = None
    target_error: Positive | None = None
    time_limit: Positive | None = None
    steps_per_period: Annotated[int, Field(strict=True, ge=8)] | None = None
    noise_tolerance: Positive = 1e-5
    step_tolerance: Positive = 5e-4
    threads: Count | None = None
    recording: Recording = Recording()

    @model_validator(mode="after")
    def _has_one_purpose(self) -> SimulateSettings:
        periodic = ("run_in", "periods", "target_error", "time_limit", "steps_per_period")
        over_time = ("start_time", "points")
        if self.duration is None and self.recording.work:
            raise InputError(
                "`solver.recording.work` needs `solver.duration`; use `work_periods` for whole periods."
            )
        if self.duration is not None and self.recording.work_periods:
            raise InputError(
                "`solver.recording.work_periods` does not go with `solver.duration`; use `work = true`."
            )
        if self.duration is None:
            for name in over_time:
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise InputError(f"`{name}` needs `duration`; add it, or remove `{name}`.")
        else:
            for name in periodic:
                if getattr(self, name) is not None:
                    raise InputError(
                        f"`{name}` does not go with `duration`, which follows the ensemble "
                        f"over time; remove one of them."
                    )
        return self
