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
from langevin_qtm.sampling.step_law import Layout, flow, periodic_covariance

LAGS = 12
POINTS_PER_OCTAVE = 5
PHASES_PER_HARMONIC = 32
WORK_WEIGHTS = np.array([-1.0, 7.0, 7.0, -1.0]) / 12.0


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
    transition, noise, rows = _with_history(plan)
    moments = rows @ periodic_covariance(transition, noise) @ rows.T
    gains = -np.roll(plan.slopes, 2, axis=0)
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
    transition, noise, outputs = _with_history(plan)
    gains = -np.roll(plan.slopes, 2, axis=0)  # the work completed at t_k is that of step k - 2
    covariance = periodic_covariance(transition, noise)
    columns = covariance @ outputs.T
    total = np.zeros(plan.bodies + 1)
    for lag in range(LAGS + 1):
        works = _wick(outputs @ columns, gains, np.roll(gains, -lag, axis=0), plan.bodies)
        total += (1 if lag == 0 else 2) * _diagonal_and_sum(works.mean(axis=0))
        columns = np.roll(transition, -lag, axis=0) @ columns
    return total / plan.step


def _with_history(plan: Plan) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Step law of carried variables, three earlier positions and the force integrals of two steps.

    Returns
    -------
    transition, noise : (phase, n, n) arrays
    outputs : (oscillator + contact, n) array
        Rows of the middle position and of the force integral that enter the work.
    """
    law, layout, bodies = plan.law, plan.law.layout, plan.bodies
    carried, fresh = layout.carried, np.arange(layout.dynamic, layout.dense)
    past = len(carried) + bodies * np.arange(4)
    latest, previous = past[3], past[3] + layout.contacts
    size = previous + layout.contacts
    transition, noise = np.zeros((2, law.steps, size, size))
    body, contact = np.arange(bodies), np.arange(layout.contacts)
    source, target = np.r_[carried, fresh], np.r_[0 : len(carried), latest:previous]
    phases = np.arange(law.steps)
    transition[np.ix_(phases, target, np.arange(len(carried)))] = law.propagator[
        np.ix_(phases, source, carried)
    ]
    noise[np.ix_(phases, target, target)] = law.covariance.sum(axis=0)[np.ix_(phases, source, source)]
    for newer, older in zip([0, *past[:2]], past[:3], strict=True):
        transition[:, older + body, newer + body] = 1.0
    transition[:, previous + contact, latest + contact] = 1.0
    outputs = np.zeros((bodies + layout.contacts, size))
    for weight, place in zip(WORK_WEIGHTS[::-1], [0, *past[:3]], strict=True):
        outputs[body, place + body] = weight
    outputs[bodies + contact, previous + contact] = 1.0
    return transition, noise, outputs
