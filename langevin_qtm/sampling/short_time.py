"""What sampled work misses of D, exactly and without sampling.

Work of a step is estimated from neighbouring positions and the integral of the force over the step
(`kernel`). Two things escape it. Within a few steps, positions and forces faster than a step are not
resolved: at strong coupling that part of D reaches up to the cut-off of the driven reservoir. And the product
of two averages over a step is not the average of the product: for positions and forces that turn by ωh in a
step it is smaller by (ωh)²/12 or so, at all lags, which matters where D is a small rest of correlations that
oscillate (a reservoir with a narrow line). Since everything is Gaussian, both the covariances of the
estimator and the true ones follow from the law of the steps by Wick's theorem,

    c_ll'(θ, τ) = ġ ġ' [<x_l x_l'><F F'> + <x_l F'><F x_l'>],

and the difference, summed over lags until it is negligible, is what `unresolved_fluctuation` returns: to be
added to the D of the windows of work. Sums over lags |m| <= M of steps of length h weigh c with
Λ(τ) = min(1, M + 1 - |τ|/h). Up to there the integral is done with nodes of its own. Beyond it c is smooth,
and what is left, the weight 1 - Λ, follows from c_m = c(θ, mh) by an end-corrected sum,

    ∫ (1 - Λ) c dτ = h [Σ_{m > M} c_m + (c_M - c_{M+1})/12 - (δ²c_M - δ²c_{M+1})/240 + O(h⁶)].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.group import Plan
from langevin_qtm.sampling.reduction import LAGS
from langevin_qtm.sampling.step_law import Layout, flow

POINTS_PER_OCTAVE = 5
PHASES_PER_HARMONIC = 32
NEGLIGIBLE = 1e-3  # of D: what all later lags may add
MOST_PAIRS = 320_000  # of a phase and a lag: bounds the cost where a period has many steps


def unresolved_fluctuation(plan: Plan) -> FloatArray:
    """c-number D of true minus estimated work, for each oscillator and, last, their sum."""
    true, estimated = _at_step_ends(plan), _of_works(plan)
    ends = [next(true) for _ in range(LAGS + 3)]
    found = _near_part(plan) + _end_correction(ends[-4:])
    missed = found - next(estimated)
    for _ in range(LAGS):
        missed -= 2 * next(estimated)
    true = chain(ends[-2:], true)
    longest = max(1.0, plan.law.layout.embedding.relaxation_time / plan.law.machine.period)
    for _ in range(min(plan.window, MOST_PAIRS // plan.law.steps**2)):  # periods
        size = np.zeros_like(found)
        for _ in range(plan.law.steps):
            later = 2 * next(true)
            difference = later - 2 * next(estimated)
            found += later
            missed += difference
            size += np.abs(difference)
        if np.all(size * longest <= NEGLIGIBLE * np.abs(found)):
            break
    return missed


def unresolved_power(plan: Plan) -> FloatArray:
    """True minus estimated mean power of each oscillator and, last, their sum.

    Positions and forces are correlated within a step, which the product of their averages leaves out.
    """
    layout, bodies = plan.law.layout, plan.bodies
    outputs = _outputs(layout, plan.times)
    moments = outputs @ plan.law.periodic_covariance @ outputs.swapaxes(1, 2)
    true = np.einsum("klc,kcl->kl", moments[:, :bodies, bodies:], _gains(plan, plan.times))
    _, covariance, rows = _of_step_ends(plan)
    moments = rows @ covariance @ rows.swapaxes(1, 2)
    gains = -plan.slopes
    estimated = np.einsum("klc,kcl->kl", moments[:, :bodies, bodies:], gains) / plan.step
    missed = (true - estimated).mean(axis=0)
    return np.append(missed, missed.sum())


def _near_part(plan: Plan) -> FloatArray:
    """True part of short lags, avg_θ ∫dτ Λ(τ) c(θ, τ) over |τ| <= (LAGS + 1) h."""
    layout, times, gains, columns = _present(plan)
    covariance = plan.law.periodic_covariance[:: _thin(plan)]
    total, reached = np.zeros(plan.bodies + 1), 0.0
    for c in range(plan.contacts):
        white = layout.embedding.memories[c].white_gain * layout.filters[c].white
        own = gains[:, c, :, None] * gains[:, c, None, :] * covariance[:, : plan.bodies, : plan.bodies]
        total += white**2 * _diagonal_and_sum(own.mean(axis=0))
    for lag, weight in zip(*_lag_rule(plan), strict=True):
        columns = flow(layout, times + reached, lag - reached) @ columns
        total += 2 * weight * _true_works(plan, times + lag, columns, gains)
        reached = lag
    return total


def _end_correction(ends: Sequence[FloatArray]) -> FloatArray:
    """Of the sum over lags beyond M = LAGS, both signs, from h c at M - 1, M, M + 1 and M + 2."""
    before, last, first, second = ends
    change = (before - 2 * last + first) - (last - 2 * first + second)
    return 2 * ((last - first) / 12 - change / 240)


def _at_step_ends(plan: Plan) -> Iterator[FloatArray]:
    """h avg_θ c(θ, mh) for the lags m = 0, 1, …"""
    _, _, before, columns = _present(plan)
    outputs, gains = _outputs(plan.law.layout, plan.times), _gains(plan, plan.times)
    phase = np.arange(0, plan.law.steps, _thin(plan))
    while True:
        works = _wick(outputs[phase] @ columns, before, gains[phase], plan.bodies)
        yield plan.step * _diagonal_and_sum(works.mean(axis=0))
        columns = plan.law.propagator[phase] @ columns
        phase = (phase + 1) % plan.law.steps


def _present(plan: Plan) -> tuple[Layout, FloatArray, FloatArray, FloatArray]:
    """Layout, times of some phases, -ġ there, and covariances of the state with positions and forces."""
    layout, thin = plan.law.layout, _thin(plan)
    times = plan.times[::thin]
    columns = plan.law.periodic_covariance[::thin] @ _outputs(layout, times).swapaxes(1, 2)
    for c in range(plan.contacts):
        white = layout.embedding.memories[c].white_gain * layout.filters[c].white
        columns[:, :, plan.bodies + c] += white * layout.white_input(c, times)
    return layout, times, _gains(plan, times), columns


def _thin(plan: Plan) -> int:
    """Steps between the phases over which is averaged."""
    return max(1, plan.law.steps // (PHASES_PER_HARMONIC * plan.law.machine.order))


def _true_works(plan: Plan, later: FloatArray, columns: FloatArray, gains: FloatArray) -> FloatArray:
    """avg_θ c(θ, τ) of powers now and later."""
    moments = _outputs(plan.law.layout, later) @ columns
    works = _wick(moments, gains, _gains(plan, later), plan.bodies)
    return _diagonal_and_sum(works.mean(axis=0))


def _lag_rule(plan: Plan) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights for ∫_0^{(M+1)h} Λ(τ) … dτ: Gauss rules on octaves down to the noise band."""
    top = plan.step * LAGS
    octaves = max(1, int(np.ceil(np.log2(10 * top * plan.law.layout.filters[0].band))))
    edges = np.concatenate([[0.0], top * 0.5 ** np.arange(octaves, -1, -1), [top + plan.step]])
    nodes, weights = np.polynomial.legendre.leggauss(POINTS_PER_OCTAVE)
    half = np.diff(edges)[:, None] / 2
    lags = (edges[:-1, None] + half * (nodes + 1)).ravel()
    return lags, (half * weights).ravel() * np.minimum(1.0, LAGS + 1 - lags / plan.step)


def _outputs(layout: Layout, t: FloatArray) -> FloatArray:
    """Rows of positions, then of forces without their white part: (time, output, state)."""
    rows = np.zeros((len(t), layout.bodies + layout.contacts, layout.size))
    body = np.arange(layout.bodies)
    rows[:, body, body] = 1.0
    for c in range(layout.contacts):
        rows[:, layout.bodies + c] = layout.force_row(c, t)
    return rows


def _gains(plan: Plan, t: FloatArray) -> FloatArray:
    """-ġ_{c,l} at times t, (time, contact, oscillator)."""
    return -np.stack([contact.coupling_rates(t) for contact in plan.law.machine.contacts], axis=1)


def _wick(moments: FloatArray, before: FloatArray, after: FloatArray, bodies: int) -> FloatArray:
    """Covariance of the works ġxF at two times, (phase, later oscillator, earlier oscillator)."""
    xx, ff = moments[:, :bodies, :bodies], moments[:, bodies:, bodies:]
    xf, fx = moments[:, :bodies, bodies:], moments[:, bodies:, :bodies]
    direct = xx * np.einsum("kdm,kdc,kcl->kml", after, ff, before)
    crossed = np.einsum("kmc,kcl->kml", xf, before) * np.einsum("kdm,kdl->kml", after, fx)
    return direct + crossed


def _diagonal_and_sum(matrix: FloatArray) -> FloatArray:
    return np.append(np.diag(matrix), matrix.sum())


def _of_works(plan: Plan) -> Iterator[FloatArray]:
    """avg_k Cov(ŵ_k, ŵ_{k+m}) / h of the work as the kernel estimates it, for the lags m = 0, 1, …"""
    transition, covariance, outputs = _of_step_ends(plan)
    gains, phase = -plan.slopes, np.arange(plan.law.steps)
    columns = covariance @ outputs.swapaxes(1, 2)
    while True:
        works = _wick(outputs[phase] @ columns, gains, gains[phase], plan.bodies)
        yield _diagonal_and_sum(works.mean(axis=0)) / plan.step
        columns = transition[phase] @ columns
        phase = (phase + 1) % plan.law.steps


def _of_step_ends(plan: Plan) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Law of r̃ at both ends of a step, and what the work of the step is made of.

    Returns
    -------
    transition, covariance : (phase, 2 r, 2 r) arrays
        From one step to the next; in the periodic steady state.
    outputs : (phase, oscillator + driven, 2 r) array
    """
    reduced = plan.reduced
    drawn, size = reduced.drawn, reduced.size
    transition = np.zeros((plan.law.steps, 2 * size, 2 * size))
    transition[:, :size, size:] = np.eye(size)
    transition[:, size:, size:] = np.roll(reduced.transition, -1, axis=0)
    crossed = reduced.transition @ drawn
    covariance = np.block([[drawn, crossed.swapaxes(1, 2)], [crossed, np.roll(drawn, -1, axis=0)]])
    return transition, covariance, reduced.ends
