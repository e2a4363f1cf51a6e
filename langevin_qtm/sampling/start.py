"""Where trajectories begin: the covariance of the carried variables (z, q) at t = 0."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import solve_continuous_lyapunov

from langevin_qtm.errors import InputError, UnstableMachineError
from langevin_qtm.physics.conventions import FloatArray, omega_coth
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.start import Start
from langevin_qtm.sampling.step_law import Layout, StepLaw, step_law


def start_covariance(law: StepLaw, start: str, initial_temperature: float | None) -> FloatArray:
    """Covariance at t = 0, dims (carried, carried).

    Parameters
    ----------
    law : StepLaw
    start : {"steady", "equilibrated", "factorised"}
        `steady`: the periodic law. `equilibrated`: the stationary law with the static reservoirs alone;
        driven ones, in their own equilibrium, are switched on at t = 0. `factorised`: every oscillator
        thermal by itself, every reservoir in its own equilibrium, all switched on at t = 0.
    initial_temperature : float or None
        Of the oscillators of a factorised start; `None`: that of the last reservoir.

    Switching on at t = 0 with g(0) != 0 gives the reservoir force its initial slip -γ(0) y(0); for a
    memoryless reservoir that is an impulse, the momenta jump by -γ g_l y(0).
    """
    layout = law.layout
    carried = layout.carried
    if start == "steady":
        return law.periodic_covariance[0][np.ix_(carried, carried)]
    machine = law.machine
    covariance = free_reservoirs(layout)
    switched = list(range(layout.contacts))
    if start == "factorised":
        temperature = machine.temperatures[-1] if initial_temperature is None else initial_temperature
        thermal = omega_coth(machine.omega, temperature)
        bodies = np.arange(layout.bodies)
        covariance[bodies, bodies] = thermal / (2 * machine.omega**2)
        covariance[layout.bodies + bodies, layout.bodies + bodies] = thermal / 2
    else:
        switched = [c for c in switched if machine.contacts[c].reservoir in machine.driven_reservoirs]
        still = [c for c in range(layout.contacts) if c not in switched]
        insert_static_law(layout, covariance, machine.undriven, still)
    slip = np.eye(layout.size)
    for index in switched:
        memory = layout.embedding.memories[index]
        g = machine.contacts[index].couplings(np.zeros(1))[0]
        if memory.size:
            slip[layout.friction[index].start, : layout.bodies] -= memory.slip * g
        slip[layout.bodies : 2 * layout.bodies, : layout.bodies] -= memory.friction * np.outer(g, g)
    return (slip @ covariance @ slip.T)[np.ix_(carried, carried)]


def require_plain(start: Start) -> None:
    """Raise `InputError` for a start whose details are forgotten before a measurement over periods begins."""
    if getattr(start, "oscillators", None) or getattr(start, "covariance", None):
        raise InputError(
            "`solver.start` describes single oscillators, but averages over periods forget them; "
            "give `solver.duration` to follow the ensemble over time, or a plain start."
        )


def free_reservoirs(layout: Layout) -> FloatArray:
    """Every reservoir in its own equilibrium: noises and filter states, nothing else."""
    covariance = np.zeros((layout.size, layout.size))
    for index, noise_filter in enumerate(layout.filters):
        memory = layout.embedding.memories[index]
        part = np.r_[layout.noise[index], layout.filter[index]]
        drift = np.zeros((len(part), len(part)))
        drift[: memory.size, : memory.size] = memory.drift
        drift[: memory.size, memory.size :] = np.outer(memory.noise_gain, noise_filter.residues)
        drift[memory.size :, memory.size :] = -np.diag(noise_filter.rates)
        gain = np.concatenate([memory.noise_gain * noise_filter.white, np.ones(len(noise_filter.rates))])
        covariance[np.ix_(part, part)] = solve_continuous_lyapunov(drift, -np.outer(gain, gain))
    return covariance


def insert_static_law(
    layout: Layout, covariance: FloatArray, machine: Callable[[], Machine], static: list[int]
) -> None:
    """Overwrite oscillators and static reservoirs by their common stationary law.

    Parameters
    ----------
    layout : Layout
    covariance : (state, state) array
        Changed in place.
    machine : callable
        Yields the machine with the static reservoirs alone, or raises `InputError`.
    static : list of int
        Its contacts, by their indices in the layout.
    """
    try:
        embedding = Embedding(machine())
        embedding.require_stable()
    except (InputError, UnstableMachineError):
        raise InputError(
            "`solver.start` = 'equilibrated' needs static reservoirs that damp every mode; "
            "use 'steady' or 'factorised'."
        ) from None
    law = step_law(embedding, tuple(layout.filters[c] for c in static), 1)
    inner = law.layout
    place = np.zeros(inner.size, dtype=int)
    place[: 2 * layout.bodies] = np.arange(2 * layout.bodies)
    for own, index in enumerate(static):
        for part in ("friction", "noise", "filter"):
            source, target = getattr(inner, part)[own], getattr(layout, part)[index]
            place[source] = np.arange(target.start, target.stop)
    kept = inner.carried
    covariance[np.ix_(place[kept], place[kept])] = law.periodic_covariance[0][np.ix_(kept, kept)]


def after_periods(law: StepLaw, covariance: FloatArray, periods: int) -> FloatArray:
    """Covariance a number of whole periods later, by powers of the period map; dims (carried, carried)."""
    layout = law.layout
    carried = layout.carried
    flow, added = np.eye(len(carried)), np.zeros((len(carried), len(carried)))
    for step, noise in zip(law.propagator, law.covariance.sum(axis=0), strict=True):
        step, noise = step[np.ix_(carried, carried)], noise[np.ix_(carried, carried)]
        flow, added = step @ flow, step @ added @ step.T + noise
    while periods:
        if periods % 2:
            covariance = flow @ covariance @ flow.T + added
        flow, added = flow @ flow, flow @ added @ flow.T + added
        periods //= 2
    return 0.5 * (covariance + covariance.T)
