"""Identities of the periodic steady state: control variates that cost nothing.

Averaged over a period, the time derivative of every second moment vanishes,

    <x_a v_b> + <v_a x_b> = 0,
    <v_a v_b> - w_b² <x_a x_b> + Σ_c g_{c,b} <x_a F_c> = 0,
    Σ_c (g_{c,a} <F_c v_b> + g_{c,b} <v_a F_c>) - w_a² <x_a v_b> - w_b² <v_a x_b> = 0

(for a = b the last is the energy balance of an oscillator). Sampled, the left sides scatter about zero, and
most of the scatter of powers, heat currents and covariances goes with them: what regression leaves of it is
smaller by 10 to 1000 in variance. What the law of the steps itself misses of zero is subtracted, so no bias
enters.
"""

from __future__ import annotations

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.group import Plan, Totals
from langevin_qtm.sampling.products import Products, products


def residuals(plan: Plan, totals: Totals) -> FloatArray:
    """Left sides of the identities per trajectory, (trajectory, identity), the most telling first."""
    expected = left_sides(plan, products(plan, expected_totals(plan)))
    return left_sides(plan, products(plan, totals)) - expected


def expected_totals(plan: Plan) -> Totals:
    """What one trajectory sums up in a period of the steady state, on average."""
    moments = plan.moments
    drawn = plan.reduced.drawn[:: moments.stride]
    second = moments.reduced_rows @ drawn @ moments.reduced_rows.swapaxes(1, 2)
    by_phase = np.empty((len(moments.times), len(moments.phase_pairs), 1))
    by_phase[moments.slots, :, 0] = second[:, *moments.phase_pairs.T]
    return Totals(by_phase, second[:, *moments.mean_pairs.T].sum(axis=0)[:, None], 1)


def left_sides(plan: Plan, found: Products) -> FloatArray:
    """All identities whose moments are known, (trajectory, identity): energies, virials, positions, pairs."""
    bodies, squares = plan.bodies, plan.law.machine.omega**2
    pulled, pushed = _coupled(plan, found.position_force), _coupled(plan, found.velocity_force)
    xx, xv, vv = found.position.mean(axis=-1), found.position_velocity, found.velocity
    energies, virials, positions, pairs = [], [], [], []
    for a in range(bodies):
        energies.append(pushed[a, a] - squares[a] * xv[:, a, a])
        virials.append(vv[:, a, a] - squares[a] * xx[:, a, a] + pulled[a, a])
        positions.append(xv[:, a, a])
        for b in range(a):
            positions.append(xv[:, a, b] + xv[:, b, a])
            if (a, b) in pulled and (b, a) in pulled:
                pairs.append(vv[:, a, b] - squares[b] * xx[:, a, b] + pulled[a, b])
                pairs.append(vv[:, a, b] - squares[a] * xx[:, a, b] + pulled[b, a])
                swapped = squares[a] * xv[:, a, b] + squares[b] * xv[:, b, a]
                pairs.append(pushed[a, b] + pushed[b, a] - swapped)
    return np.stack([*energies, *virials, *positions, *pairs], axis=1)


def _coupled(plan: Plan, moments: dict[tuple[int, int], FloatArray]) -> dict[tuple[int, int], FloatArray]:
    """Period averages of Σ_c g_{c,b} <a F_c> by (a, b), where every contact of b is one of a."""
    contacts, times = plan.law.machine.contacts, plan.moments.times
    found = {}
    for a in range(plan.bodies):
        for b in range(plan.bodies):
            own = [c for l, c in moments if l == b]
            if all((a, c) in moments for c in own):
                terms = [(contacts[c].couplings(times)[:, b] * moments[a, c]).mean(axis=-1) for c in own]
                found[a, b] = np.sum(terms, axis=0) + np.zeros(len(next(iter(moments.values()))))
    return found
