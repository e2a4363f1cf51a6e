"""Second moments of every trajectory from what the kernel has accumulated and what is known besides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.group import Plan, Totals


@dataclass(frozen=True)
class Products:
    """Second moments per trajectory.

    Attributes
    ----------
    position : (trajectory, oscillator, oscillator, phase) array
    position_force, velocity_force : dict of (oscillator, contact) to (trajectory, phase) array
        <x F> and <v F> for every coupling.
    position_velocity, velocity : (trajectory, oscillator, oscillator) arrays
        Period averages.
    """

    position: FloatArray
    position_force: dict[tuple[int, int], FloatArray]
    velocity_force: dict[tuple[int, int], FloatArray]
    position_velocity: FloatArray
    velocity: FloatArray


def products(plan: Plan, totals: Totals) -> Products:
    """Second moments of a group over the periods summed."""
    moments, bodies = plan.moments, plan.bodies
    by_phase, offsets = moments.offsets
    sums = iter((totals.phase / totals.periods + by_phase[:, :, None]).transpose(1, 2, 0))
    lanes, phases = totals.phase.shape[2], len(moments.times)
    position = np.zeros((lanes, bodies, bodies, phases))
    for a, b in moments.position_pairs:
        position[:, a, b] = position[:, b, a] = next(sums)
    position_force = {pair: next(sums) for pair in moments.contact_pairs}
    velocity_force = {pair: next(sums) for pair in moments.contact_pairs}
    means = (totals.mean / (totals.periods * phases) + offsets[:, None]).T
    crossed, kinetic = means[:, : bodies**2], means[:, bodies**2 :]
    velocity = np.zeros((lanes, bodies, bodies))
    for index, (a, b) in enumerate(moments.position_pairs):
        velocity[:, a, b] = velocity[:, b, a] = kinetic[:, index]
    return Products(position, position_force, velocity_force, crossed.reshape(-1, bodies, bodies), velocity)
