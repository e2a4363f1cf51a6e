"""From moments to the variables of the schema over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.physics import thermodynamics
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.transients.moment_map import Moments
from langevin_qtm.transients.system import MomentSystem

ROUNDING = 100 * float(np.finfo(float).eps)  # of second moments, relative
COVARIANCE_TARGET = 1e-6  # relative error of variances beside large means


def observables(
    system: MomentSystem, initial: Moments, start_time: float, moments: Sequence[Moments], times: FloatArray
) -> dict[str, FloatArray]:
    """Variables of the schema, `time` first.

    Parameters
    ----------
    system : MomentSystem
    initial : Moments
        Just after the start: what was done is counted from here.
    start_time : float
    moments : sequence of Moments
        One for each time.
    times : (time,) array

    Raises
    ------
    NotConvergedError
        When means are so large that nothing is left of the variances beside their squares.
    """
    second = np.array([m.second for m in moments])
    mean = np.array([m.correlations[:, -1] for m in moments])
    found = _means_and_covariances(system, second, mean)
    found |= _currents(system, moments, second, times)
    integrals = np.array([m.integrals for m in moments])
    found |= _done(system, integrals)
    energies, before = (
        _energies(system, m, t) for m, t in ((second, times), (initial.second[None], np.array([start_time])))
    )
    found |= energies
    interaction = energies["interaction_energy"] - before["interaction_energy"]
    found["reservoir_energy"] = -found["heat"] - interaction
    gained = (energies["system_energy"] - before["system_energy"]).sum(axis=1)
    fed = sum(found[name].sum(axis=1) for name in ("work", "heat", "modulation_work", "force_work"))
    found["energy_residual"] = gained - fed
    found["system_entropy"] = _entropy(system, second, mean)
    rise = found["system_entropy"] - _entropy(system, initial.second[None], initial.correlations[None, :, -1])
    with np.errstate(divide="ignore", invalid="ignore"):
        received = (found["reservoir_energy"] / system.machine.temperatures).sum(axis=1)
        produced = -(found["heat_current"] / system.machine.temperatures).sum(axis=1)
    found["entropy_produced"] = rise + received
    found["entropy_production"] = produced
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in found.items()}


def undefined(variables: dict[str, FloatArray]) -> dict[str, str]:
    """Why a variable is NaN, by name."""
    texts = {
        "interaction_energy": "infinite for a reservoir without memory; give it a cut-off",
        "reservoir_energy": "infinite for a reservoir without memory; give it a cut-off",
        "work": "a coupling to a reservoir without memory has jumped, which costs infinite work",
        "heat": "a coupling to a reservoir without memory has jumped, which frees infinite heat",
        "energy_residual": "work or heat is not defined",
        "entropy_production": "a reservoir at zero temperature",
        "entropy_produced": "a reservoir at zero temperature or without memory",
        "pearson": "a single oscillator",
    }
    return {name: text for name, text in texts.items() if np.any(np.isnan(variables[name]))}


def _means_and_covariances(
    system: MomentSystem, second: FloatArray, mean: FloatArray
) -> dict[str, FloatArray]:
    bodies = system.bodies
    covariance = second - mean[:, :, None] * mean[:, None, :]
    _require_digits(second[:, : 2 * bodies, : 2 * bodies], covariance[:, : 2 * bodies, : 2 * bodies])
    x, v = slice(0, bodies), slice(bodies, 2 * bodies)
    return {
        "position_mean": mean[:, x],
        "velocity_mean": mean[:, v],
        "position_covariance": covariance[:, x, x],
        "velocity_covariance": covariance[:, v, v],
        "position_velocity_covariance": covariance[:, x, v],
        "pearson": thermodynamics.pearson(covariance[:, x, x]),
    }


def _require_digits(second: FloatArray, covariance: FloatArray) -> None:
    """Raise where the difference of second moments and squared means has lost too many digits."""
    moments, variances = (np.einsum("tii->ti", array) for array in (second, covariance))
    lost = float((ROUNDING * moments / np.maximum(variances, ROUNDING * moments)).max(initial=0.0))
    if lost > COVARIANCE_TARGET:
        remedy = "lower `medium.force` and displacements, in which means are linear"
        raise NotConvergedError("Variances beside large means", lost, COVARIANCE_TARGET, remedy)


def _currents(
    system: MomentSystem, moments: Sequence[Moments], second: FloatArray, times: FloatArray
) -> dict[str, FloatArray]:
    """Instantaneous powers and heat currents."""
    left, right = system.integrands(times)
    inputs, gains = system.inputs(times), system.integral_gains
    noise = np.array([m.correlations * system.amplitudes for m in moments])  # κ_j X_j
    values = np.einsum("tfi,tij,tfj->tf", left, second, right)
    for f, source in enumerate(system.integral_sources):
        if gains[f]:
            coloured = noise[:, :, system.poles_of(source)].sum(axis=2)
            own = 0.5 * system.whites[source] * inputs[:, source] - coloured
            values[:, f] += gains[f] * np.einsum("ti,ti->t", left[:, f], own)
    local, heat, modulation, force = _sorted(system, values)
    return {
        "local_power": local,
        "power": local.sum(axis=1),
        "heat_current": heat,
        "modulation_power": modulation,
        "force_power": force,
    }


def _done(system: MomentSystem, integrals: FloatArray) -> dict[str, FloatArray]:
    """Work and heat since the start."""
    names = ("work", "heat", "modulation_work", "force_work")
    return dict(zip(names, _sorted(system, integrals), strict=True))


def _sorted(
    system: MomentSystem, values: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Work by oscillator, heat by reservoir, modulation and force by oscillator, from (time, integral)."""
    machine = system.machine
    work, modulation, force = np.zeros((3, len(values), system.bodies))
    heat = np.zeros((len(values), len(machine.reservoirs)))
    for value, (kind, l, c) in zip(values.T, system.integrals, strict=True):
        if kind == "heat":
            heat[:, machine.contacts[c].reservoir] += value
        else:
            {"work": work, "modulation": modulation, "force": force}[kind][:, l] += value
    return work, heat, modulation, force


def _energies(system: MomentSystem, second: FloatArray, times: FloatArray) -> dict[str, FloatArray]:
    """Energy of each oscillator, and <H_int> = -<y F> - ½γ(0)<y²> of each reservoir."""
    machine, bodies = system.machine, system.bodies
    diagonal = np.einsum("tii->ti", second)
    kinetic, squares = diagonal[:, bodies : 2 * bodies], diagonal[:, :bodies]
    interaction = np.zeros((len(times), len(machine.reservoirs)))
    for c, contact in enumerate(machine.contacts):
        memory, g = system.embedding.memories[c], contact.couplings(times)
        reach = np.einsum("tl,tli->ti", g, second[:, :bodies])  # <y z>
        stretched = np.einsum("ti,ti->t", reach[:, :bodies], g)
        pulled = reach[:, system.embedding.memory_slices[c].start] if memory.size else np.nan
        interaction[:, contact.reservoir] -= pulled + 0.5 * memory.slip * stretched
    return {
        "system_energy": 0.5 * (kinetic + machine.squared_frequencies(times) * squares),
        "interaction_energy": interaction,
    }


def _entropy(system: MomentSystem, second: FloatArray, mean: FloatArray) -> FloatArray:
    """Von Neumann entropy from the symplectic eigenvalues ν of the covariance of positions and velocities.

    S = Σ (ν + ½) ln(ν + ½) - (ν - ½) ln(ν - ½); e.g. Galve, Giorgi, Zambrini (Springer, 2017).
    """
    bodies = system.bodies
    part = slice(0, 2 * bodies)
    covariance = (second - mean[:, :, None] * mean[:, None, :])[:, part, part]
    form = np.kron(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(bodies))
    nu = np.sort(np.abs(np.linalg.eigvals(1j * form @ covariance).real), axis=1)[:, ::2]
    excess = np.maximum(nu - 0.5, 0.0)
    vanishing = np.where(excess > 0, excess, 1.0)
    return ((nu + 0.5) * np.log(nu + 0.5) - excess * np.log(vanishing)).sum(axis=1)
