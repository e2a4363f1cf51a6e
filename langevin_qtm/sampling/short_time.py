"""What sampled work misses of D within a few steps, exactly and without sampling.

Work of a step is estimated from neighbouring positions and the integral of the force over the step
(`kernel`). Its covariances at lags beyond a few steps are right; within a few steps, positions and forces
faster than a step are not resolved: at strong coupling that part of D reaches up to the cut-off of the
driven reservoir. Since everything is Gaussian, both the covariances of the estimator and the true ones at
short times follow from the law of the steps by Wick's theorem,

    c_ll'(θ, τ) = ġ ġ' [<x_l x_l'><F F'> + <x_l F'><F x_l'>],

and the difference, summed over lags up to `LAGS` steps, is what `unresolved_fluctuation` returns: to be
added to the D of the windows of work. Sums over lags |m| <= M of steps of length h weigh c with
Λ(τ) = min(1, M + 1 - |τ|/h).
"""

from __future__ import annotations

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.group import Plan
from langevin_qtm.sampling.reduction import LAGS
from langevin_qtm.sampling.step_law import Layout, flow

POINTS_PER_OCTAVE = 5
PHASES_PER_HARMONIC = 32


def unresolved_fluctuation(plan: Plan) -> FloatArray:
    """c-number D of true minus estimated work at short lags, for each oscillator and, last, their sum."""
    return _true_part(plan) - _estimated_part(plan)


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


def _true_part(plan: Plan) -> FloatArray:
    """avg_θ ∫dτ Λ(τ) c(θ, τ) over |τ| <= (LAGS + 1) h."""
    law, layout = plan.law, plan.law.layout
    thin = max(1, law.steps // (PHASES_PER_HARMONIC * law.machine.order))
    times, covariance = plan.times[::thin], law.periodic_covariance[::thin]
    outputs, gains = _outputs(layout, times), _gains(plan, times)
    columns = covariance @ outputs.swapaxes(1, 2)
    instant = np.zeros(plan.bodies + 1)
    for c in range(plan.contacts):
        white = layout.embedding.memories[c].white_gain * layout.filters[c].white
        columns[:, :, plan.bodies + c] += white * layout.white_input(c, times)
        own = (
            white**2
            * gains[:, c, :, None]
            * gains[:, c, None, :]
            * covariance[:, : plan.bodies, : plan.bodies]
        )
        instant += _diagonal_and_sum(own.mean(axis=0))
    total, reached = instant, 0.0
    for lag, weight in zip(*_lag_rule(plan), strict=True):
        columns = flow(layout, times + reached, lag - reached) @ columns
        later = times + lag
        moments = _outputs(layout, later) @ columns
        current = _wick(moments, gains, _gains(plan, later), plan.bodies).mean(axis=0)
        total = total + 2 * weight * _diagonal_and_sum(current)
        reached = lag
    return total


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


def _estimated_part(plan: Plan) -> FloatArray:
    """Σ_{|m| <= LAGS} Cov(ŵ_k, ŵ_{k+m}) / h of the work as the kernel estimates it."""
    transition, covariance, outputs = _of_step_ends(plan)
    gains = -plan.slopes
    columns = covariance @ outputs.swapaxes(1, 2)
    total = np.zeros(plan.bodies + 1)
    for lag in range(LAGS + 1):
        later = np.roll(outputs, -lag, axis=0)
        works = _wick(later @ columns, gains, np.roll(gains, -lag, axis=0), plan.bodies)
        total += (1 if lag == 0 else 2) * _diagonal_and_sum(works.mean(axis=0))
        columns = np.roll(transition, -lag, axis=0) @ columns
    return total / plan.step


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
