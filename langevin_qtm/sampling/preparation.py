"""From machine and settings to a plan: noise band, filters, step, run-in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine
from langevin_qtm.sampling.group import Plan
from langevin_qtm.sampling.moments import MomentPlan
from langevin_qtm.sampling.noise_filter import NoiseFilter, fit_noise_filter
from langevin_qtm.sampling.settings import SimulateSettings
from langevin_qtm.sampling.step_law import resolved_step_law

BAND_FACTOR = 10.0  # noise band over the largest frequency scale of the machine
STEPS_PER_HARMONIC = 64
RADIANS_PER_STEP = 0.35  # largest phase of an oscillator in one step
RUN_IN_TIMES = 7.0  # relaxation times: the start is forgotten to e^{-14} in second moments
LOOK_AHEAD = 1.4  # radians of the fastest oscillator over which moments look ahead
LOOK_AHEAD_TIMES = 0.1  # and never more of a relaxation time
WINDOW_TIMES = 2.5  # relaxation times in a window of work


@dataclass(frozen=True)
class Preparation:
    """What a run needs besides trajectories.

    Attributes
    ----------
    plan : Plan
    run_in : int
        Periods before the measurement.
    step_error : float
        Error estimate of the step law (see `resolved_step_law`).
    is_steady : bool
        Whether start and run-in lead to the periodic steady state.
    """

    plan: Plan
    run_in: int
    step_error: float
    is_steady: bool

    @property
    def filters(self) -> tuple[NoiseFilter, ...]:
        """Noise filter of each contact."""
        return self.plan.law.layout.filters


def prepare(machine: Machine, settings: SimulateSettings) -> Preparation:
    """Choose band, filters and step, and compute the law of every step.

    Raises
    ------
    UnstableMachineError, NotConvergedError
    """
    embedding = Embedding(machine)
    embedding.require_stable()
    band = BAND_FACTOR * max(_frequency_scales(machine))
    bottom = 1e-2 / embedding.relaxation_time
    by_temperature = {
        contact.temperature: fit_noise_filter(contact.temperature, band, bottom, settings.noise_tolerance)
        for contact in {contact.temperature: contact for contact in machine.contacts}.values()
    }
    filters = tuple(by_temperature[contact.temperature] for contact in machine.contacts)
    steps = settings.steps_per_period or default_steps(machine)
    law, step_error = resolved_step_law(embedding, filters, steps, settings.step_tolerance)
    relaxation = embedding.relaxation_time / machine.period
    needed = 0 if settings.start.kind == "steady" else int(np.ceil(RUN_IN_TIMES * relaxation))
    run_in = needed if settings.run_in is None else settings.run_in
    is_steady = run_in >= needed
    moments = MomentPlan(law, _look_ahead(embedding, machine.period / steps) if is_steady else 1, is_steady)
    return Preparation(
        Plan(moments, max(1, int(np.ceil(WINDOW_TIMES * relaxation)))), run_in, step_error, is_steady
    )


def _look_ahead(embedding: Embedding, step: float) -> int:
    """Steps that moments look ahead."""
    fastest = float(embedding.machine.omega.max())
    longest = min(LOOK_AHEAD / fastest, LOOK_AHEAD_TIMES * embedding.relaxation_time)
    return max(1, int(longest / step))


def default_steps(machine: Machine) -> int:
    """Steps per period: 64 for each harmonic of the drive, no oscillator turning more than 0.35 in one."""
    turning = machine.period * float(machine.omega.max()) / RADIANS_PER_STEP
    return STEPS_PER_HARMONIC * int(max(machine.order, np.ceil(turning / STEPS_PER_HARMONIC)))


def _frequency_scales(machine: Machine) -> list[float]:
    scales = [float(machine.omega.max()), machine.order * machine.angular_frequency]
    return scales + [scale for contact in machine.contacts for scale in contact.density.scales]
