"""From accumulated products to observables of every trajectory; trajectories on the first axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langevin_qtm.physics import thermodynamics
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.group import Group, Plan, Totals
from langevin_qtm.sampling.normals import LANES
from langevin_qtm.sampling.products import products
from langevin_qtm.sampling.stationarity import residuals
from langevin_qtm.sampling.statistics import without_residuals

TRAJECTORIES_PER_VARIATE = 8  # for each control variate, so that regression costs little
FREED = ("local_power", "heat_current", "position_covariance", "velocity_covariance")


def phase_moments(plan: Plan, totals: Totals) -> dict[str, FloatArray]:
    """Second moments at each phase, per trajectory.

    Returns
    -------
    dict
        `position_covariance` (trajectory, oscillator, oscillator, phase); `local_power` (trajectory,
        oscillator, phase); `heat` (trajectory, oscillator, reservoir, phase), the part of each heat
        current that goes through the couplings of one oscillator.
    """
    machine, bodies, times = plan.law.machine, plan.bodies, plan.moments.times
    found = products(plan, totals)
    lanes, phases = len(found.position), len(times)
    power = np.zeros((lanes, bodies, phases))
    heat = np.zeros((lanes, bodies, len(machine.reservoirs), phases))
    for (l, c), pulled in found.position_force.items():
        contact, pushed = machine.contacts[c], found.velocity_force[l, c]
        work = contact.coupling_rates(times)[:, l] * pulled
        power[:, l] -= work
        heat[:, l, contact.reservoir] += work + contact.couplings(times)[:, l] * pushed
    return {"position_covariance": found.position, "local_power": power, "heat": heat}


def period_averages(plan: Plan, totals: Totals) -> dict[str, FloatArray]:
    """Period averages per trajectory: base observables of the schema, velocity moments, and `residuals` of
    the identities of the steady state."""
    averages = {name: moment.mean(axis=-1) for name, moment in phase_moments(plan, totals).items()}
    found = products(plan, totals)
    averages["position_velocity_covariance"] = found.position_velocity
    averages["velocity_covariance"] = found.velocity
    averages["residuals"] = residuals(plan, totals)
    return averages


def balanced(averages: dict[str, FloatArray], is_steady: bool) -> dict[str, FloatArray]:
    """Averages with the identities of the steady state used as control variates.

    Parameters
    ----------
    averages : dict
        Period averages per trajectory.
    is_steady : bool
        Whether the residuals have mean zero; while moments still change nothing is corrected.

    Returns
    -------
    dict
        Powers, heat currents and covariances freed of their regression on the residuals (of as many as the
        number of trajectories allows), which are nearly all noise; the energy balance as measured is added
        as `balance_residual`.
    """
    heat, power = averages["heat"], averages["local_power"]
    kept = {name: values for name, values in averages.items() if name not in ("heat", "residuals")}
    kept["heat_current"] = heat.sum(axis=1)
    if is_steady:
        used = averages["residuals"][:, : len(power) // TRAJECTORIES_PER_VARIATE]
        kept |= {name: _freed(kept[name], used) for name in FREED}
    return kept | {"balance_residual": (heat.sum(axis=2) + power).sum(axis=1)}


def _freed(values: FloatArray, residuals: FloatArray) -> FloatArray:
    """`without_residuals` for values of any shape, (trajectory, …)."""
    return without_residuals(values.reshape(len(values), -1), residuals).reshape(values.shape)


def window_moments(groups: list[Group]) -> FloatArray | None:
    """Moments of the work in windows, per trajectory, or `None` with fewer than four windows.

    Returns
    -------
    moments : (trajectory, 3, oscillator + 1) array
        Means of w, w² and w w_previous; last channel the total.
    """
    count = int(groups[0].window_periods[2])
    if count < 4:
        return None
    channels = groups[0].window.size // (2 * LANES)
    sums = np.concatenate([group.window_sums.reshape(3, channels, -1) for group in groups], axis=2)
    return sums.transpose(2, 0, 1) / np.array([count, count, count - 1])[None, :, None]


def fluctuation(moments: FloatArray, duration: float) -> FloatArray:
    """c-number D of each channel from window moments (…, 3, channel).

    D = [Var(w) + 2 Cov(w, w_previous)] / duration: the covariance of neighbours removes the bias of a
    finite window as soon as correlations die within one.
    """
    mean, square, crossed = moments[..., 0, :], moments[..., 1, :], moments[..., 2, :]
    return (square + 2 * crossed - 3 * mean**2) / duration


@dataclass(frozen=True)
class FluctuationParts:
    """What windows of sampled work do not contain, for each oscillator and, last, for the total power.

    Attributes
    ----------
    unresolved : (oscillator + 1,) array
        c-number D faster than a step (`short_time`).
    commutator : (oscillator + 1,) array
        Commutator part of the quantum D (`exact.fluctuations`).
    """

    unresolved: FloatArray
    commutator: FloatArray


def all_observables(
    plan: Plan, means: dict[str, FloatArray], parts: FluctuationParts
) -> dict[str, FloatArray]:
    """Every period average of the schema from means over trajectories (leading axes allowed)."""
    base = {name: means[name] for name in ("local_power", "heat_current", "position_covariance")}
    if "windows" in means:
        cnumber = fluctuation(means["windows"], plan.window * plan.law.machine.period) + parts.unresolved
    else:
        cnumber = np.full((*means["local_power"].shape[:-1], plan.bodies + 1), np.nan)
    quantum = cnumber + parts.commutator
    base["fluctuation_cnumber"], base["power_fluctuation_cnumber"] = cnumber[..., :-1], cnumber[..., -1]
    base["fluctuation_quantum"], base["power_fluctuation_quantum"] = quantum[..., :-1], quantum[..., -1]
    derived = thermodynamics.derive(plan.law.machine, base)
    others = ("balance_residual", "velocity_covariance", "position_velocity_covariance")
    return {**base, **derived, **{name: means[name] for name in others}}


def all_phase_observables(means: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Phase-resolved variables of the schema from means over trajectories (leading axes allowed)."""
    power, covariance = means["local_power"], means["position_covariance"]
    return {
        "local_power_phase": power,
        "power_phase": power.sum(axis=-2),
        "heat_current_phase": means["heat"].sum(axis=-3),
        "position_covariance_phase": covariance,
        "pearson_phase": thermodynamics.pearson(np.moveaxis(covariance, -1, -3)),
    }
