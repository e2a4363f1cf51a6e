"""Law of an ensemble just after its start: mean and covariance of the carried variables, for any start."""

from __future__ import annotations

import numpy as np

from langevin_qtm.errors import UnstableMachineError
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.start import Continued, Equilibrated, Factorised, Start
from langevin_qtm.sampling.start import free_reservoirs, insert_static_law
from langevin_qtm.sampling.step_law import Layout, law_of_steps, periodic_covariance


def ensemble_start(
    layout: Layout, start: Start, start_time: float, step: float, edges: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean (state,) and covariance (state, state) just after `start_time`.

    Parameters
    ----------
    layout : Layout
        With the constant.
    start : Factorised, Equilibrated, Steady or Continued
    start_time : float
    step, edges
        Steps for the period map of a steady start.

    Raises
    ------
    InputError
        When the start does not exist for this machine.
    UnstableMachineError
        When there is no periodic steady state to start from.
    """
    machine, bodies = layout.embedding.machine, 2 * layout.bodies
    early = machine.time_before(start_time)
    later = [contact.couplings(np.array([start_time]))[0] for contact in machine.contacts]
    mean = np.zeros(layout.size)
    if isinstance(start, Factorised):
        before = [0.0 * g for g in later]
        covariance = free_reservoirs(layout)
        frequencies = np.sqrt(machine.squared_frequencies(np.array([early])))[0]
        mean[:bodies], covariance[:bodies, :bodies] = start.gaussian(machine, frequencies)
    elif isinstance(start, Equilibrated):
        before = machine.static_couplings()
        covariance = free_reservoirs(layout)
        insert_static_law(
            layout, covariance, machine.equilibrating, [c for c, g in enumerate(before) if np.any(g)]
        )
        mean[:bodies] = start.mean(machine)
        mean = layout.jump(before, before) @ mean  # the reservoirs stay where they are
    elif isinstance(start, Continued):
        before = start.couplings(machine, "simulate")
        mean = start.dataset["final_mean"].values.copy()
        covariance = start.dataset["final_second_moment"].values.copy()
    else:
        before = [contact.couplings(np.array([early]))[0] for contact in machine.contacts]
        mean, covariance = _steady(layout, early, step, edges)
    mean[-1] = 1.0
    jump = layout.jump([g - old for g, old in zip(later, before, strict=True)], later)
    return jump @ mean, jump @ covariance @ jump.T


def _steady(layout: Layout, early: float, step: float, edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance in the periodic steady state before the protocol."""
    period = layout.embedding.machine.period
    steps = int(np.ceil(period / step))
    law = law_of_steps(layout, early + period / steps * np.arange(steps, dtype=float), period / steps, edges)
    flow = np.eye(layout.size)
    for propagator in law.propagator:
        flow = propagator @ flow
    own = flow[:-1, :-1]
    largest = float(np.abs(np.linalg.eigvals(own)).max())
    if largest >= 1 - 1e-12:
        raise UnstableMachineError(largest)
    mean = np.zeros(layout.size)
    mean[:-1] = np.linalg.solve(np.eye(len(own)) - own, flow[:-1, -1])
    covariance = np.zeros((layout.size, layout.size))
    bare = law.propagator[:, :-1, :-1], law.covariance.sum(axis=0)[:, :-1, :-1]
    covariance[:-1, :-1] = periodic_covariance(*bare)[0]
    return mean, covariance
