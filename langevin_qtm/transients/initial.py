"""Moments at the start: oscillators and reservoirs just after t0.

Whatever the start, it is described just before t0 and then couplings jump to their values at t0: from zero
where a reservoir has its own equilibrium, from what they were where it has been coupled before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from langevin_qtm.errors import InputError, UnstableMachineError
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.start import Continued, Equilibrated, Factorised, Start
from langevin_qtm.transients.moment_map import MomentMap, Moments
from langevin_qtm.transients.sweep import Resolution, sweep
from langevin_qtm.transients.system import MomentSystem

SINGULAR = 1e-12


def initial_moments(system: MomentSystem, start: Start, start_time: float, resolution: Resolution) -> Moments:
    """Moments just after `start_time`.

    Parameters
    ----------
    system : MomentSystem
    start : Factorised, Equilibrated, Steady or Continued
    start_time : float
    resolution : Resolution
        For the period map of a steady start.

    Raises
    ------
    InputError
        When the start does not exist for this machine.
    UnstableMachineError
        When there is no periodic steady state to start from.
    """
    machine = system.machine
    moment = np.array([start_time])
    later = [contact.couplings(moment)[0] for contact in machine.contacts]
    if isinstance(start, Factorised):
        moments, before = _factorised(system, start, start_time), [0.0 * g for g in later]
    elif isinstance(start, Equilibrated):
        before = machine.static_couplings()
        moments = _equilibrated(system, start, start_time, before)
    elif isinstance(start, Continued):
        before = start.couplings(machine, "transient")
        moments = Moments(
            start.dataset["final_second_moment"].values.copy(),
            start.dataset["final_correlation"].values.copy(),
            np.zeros(len(system.integrals)),
        )
    else:
        early = np.array([system.machine.time_before(start_time)])
        before = [contact.couplings(early)[0] for contact in machine.contacts]
        moments = _steady(system, float(early[0]), resolution)
    changes = [g - old for g, old in zip(later, before, strict=True)]
    jump = system.embedding.jump(changes, later)
    return MomentMap.linear_change(jump, system.amplitudes, len(system.integrals)).apply(moments)


def _blank(system: MomentSystem) -> tuple[FloatArray, FloatArray]:
    return np.zeros((system.size, system.size)), np.zeros((system.size, len(system.amplitudes)))


def _factorised(system: MomentSystem, start: Factorised, start_time: float) -> Moments:
    """Oscillators in a Gaussian state, every reservoir in its own equilibrium."""
    bodies = 2 * system.bodies
    none = [np.zeros(system.bodies)] * len(system.kernels)
    second, correlations = _stationary(system, none, start_time, np.arange(bodies, system.size))
    frequencies = np.sqrt(
        system.machine.squared_frequencies(np.array([system.machine.time_before(start_time)]))[0]
    )
    mean, covariance = start.gaussian(system.machine, frequencies)
    second[:bodies, :bodies] = covariance + np.outer(mean, mean)
    correlations[:bodies, -1] = mean
    return Moments(second, correlations, np.zeros(len(system.integrals)))


def _equilibrated(
    system: MomentSystem, start: Equilibrated, start_time: float, couplings: list[FloatArray]
) -> Moments:
    """Oscillators and statically coupled reservoirs in their common stationary state, displaced."""
    try:
        second, correlations = _stationary(system, couplings, start_time, np.arange(system.size))
    except UnstableMachineError:
        raise InputError(
            "`solver.start` = 'equilibrated' needs static reservoirs that damp every mode; "
            "use 'steady' or 'factorised'."
        ) from None
    bodies = 2 * system.bodies
    mean = np.zeros(system.size)
    mean[:bodies] = start.mean(system.machine)
    mean = system.embedding.jump(couplings, couplings) @ mean  # the reservoirs stay where they are
    correlations[:, -1] = mean
    return Moments(second + np.outer(mean, mean), correlations, np.zeros(len(system.integrals)))


def _stationary(
    system: MomentSystem, couplings: list[FloatArray], start_time: float, kept: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """M and X of the kept variables under constant couplings; zero elsewhere.

    White noise and exponentials together act on M as Σ_j ½ a_j [b (b - b_j X_j)ᵀ + …] with b - b_j X_j =
    -G X_j, which keeps the digits that the two parts lose against each other.
    """
    embedding = system.embedding
    early = np.array([system.machine.time_before(start_time)])
    constant = [g[None, :] for g in couplings]
    generator = embedding.generator_of(
        system.machine.squared_frequencies(early), constant, [0.0 * g for g in constant]
    )[0][np.ix_(kept, kept)]
    rates = np.linalg.eigvals(generator)
    if len(kept) and rates.real.max() > -SINGULAR * np.abs(rates).max():
        raise UnstableMachineError(1.0)
    second, correlations = _blank(system)
    source = np.zeros_like(generator)
    for c, kernel in enumerate(system.kernels):
        gain = embedding.noise_input_of(c, constant[c])[0][kept]
        shifted = kernel.rates[:, None, None] * np.eye(len(kept)) - generator
        reached = np.linalg.solve(shifted, gain[:, None])[..., 0].T  # (kept, pole)
        correlations[np.ix_(kept, system.poles_of(c))] = reached
        lag = -0.5 * np.outer(gain, generator @ reached @ kernel.weights)
        source += kernel.classical * np.outer(gain, gain) + lag + lag.T
    if len(kept):
        second[np.ix_(kept, kept)] = solve_continuous_lyapunov(generator, -source)
    return second, correlations


def _steady(system: MomentSystem, early: float, resolution: Resolution) -> Moments:
    """Periodic moments at the start of the period that begins at `early`."""
    ends = np.array([early, early + system.machine.period])
    (period,) = sweep(system, ends, False, resolution)
    return periodic_moments(period)


def periodic_moments(period: MomentMap) -> Moments:
    """Fixed point of the map of one period.

    Raises
    ------
    UnstableMachineError
        When the map has a multiplier outside the unit circle.
    """
    largest = float(np.abs(np.linalg.eigvals(period.flow)).max())
    if largest >= 1 - SINGULAR:
        raise UnstableMachineError(largest)
    size = len(period.flow)
    systems = np.eye(size) - period.decay[:, None, None] * period.flow
    correlations = np.linalg.solve(systems, period.added.T[..., None])[..., 0].T
    crossed = (period.onward * period.amplitudes) @ (period.flow @ correlations).T
    second: FloatArray = solve_discrete_lyapunov(period.flow, period.noise - crossed - crossed.T)
    symmetric: FloatArray = 0.5 * (second + second.T)
    return Moments(symmetric, np.asarray(correlations, dtype=np.float64), np.zeros(len(period.constant)))
