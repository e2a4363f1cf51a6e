"""Flow and noise of the embedded process over a short time, filter states apart.

Filter states q (and the constant 1, if any) go their own way, q̇ = -b q + b-independent white noise, and drive
the rest; so with s = (z, q)

    Φ = [[Φ_z, Φ_zq], [0, e^{-b t}]],   C_qq = g gᵀ (1 - e^{-(b_i + b_j) t}) / (b_i + b_j),

and only blocks with rows of z, few, need matrix products. Over a short time (|drift| t <= 1/4) they are a
Taylor series of order 10 and 6 Gauss nodes, both exact to rounding; then they are doubled up,

    Φ(2t) = Φ(t)²,   C(2t) = Φ(t) C(t) Φ(t)ᵀ + C(t),

which no stiff rate can overflow. Φ_z - 1 is carried instead of Φ_z, which keeps the digits of slow rates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langevin_qtm.physics.conventions import FloatArray

TAYLOR_ORDER = 10


@dataclass(frozen=True)
class Increment:
    """s(t + duration) = Φ s(t) + Gaussian noise.

    Attributes
    ----------
    flow : (phase, z, z) array
        Φ_z.
    driven : (phase, z, q) array
        Φ_zq.
    decay : (q,) array
        e^{-b t}.
    own : (contact, phase, z, z) array
        Covariance of the noise of z, by the contact it comes from.
    crossed : (contact, phase, z, q) array
        Covariance of the noises of z and q.
    filtered : (contact, q, q) array
        Covariance of the noise of q.
    """

    flow: FloatArray
    driven: FloatArray
    decay: FloatArray
    own: FloatArray
    crossed: FloatArray
    filtered: FloatArray

    def then(self, later: Increment) -> Increment:
        """This one and a later one together."""
        back = later.flow.swapaxes(-1, -2)
        reached = later.flow @ self.crossed
        mixed = reached @ later.driven.swapaxes(-1, -2)
        passed = later.driven @ self.filtered[:, None]
        own = later.flow @ self.own @ back + passed @ later.driven.swapaxes(-1, -2)
        return Increment(
            flow=later.flow @ self.flow,
            driven=later.flow @ self.driven + later.driven * self.decay,
            decay=later.decay * self.decay,
            own=own + mixed + mixed.swapaxes(-1, -2) + later.own,
            crossed=(reached + passed) * later.decay + later.crossed,
            filtered=later.decay[:, None] * self.filtered * later.decay + later.filtered,
        )

    def propagator(self) -> FloatArray:
        """Φ, (phase, state, state)."""
        phases, size, filters = self.driven.shape
        whole = np.zeros((phases, size + filters, size + filters))
        whole[:, :size, :size], whole[:, :size, size:] = self.flow, self.driven
        place = np.arange(size, size + filters)
        whole[:, place, place] = self.decay
        return whole

    def covariance(self) -> FloatArray:
        """C, (contact, phase, state, state)."""
        contacts, phases, size, filters = self.crossed.shape
        whole = np.zeros((contacts, phases, size + filters, size + filters))
        whole[:, :, :size, :size], whole[:, :, :size, size:] = self.own, self.crossed
        whole[:, :, size:, :size] = self.crossed.swapaxes(-1, -2)
        whole[:, :, size:, size:] = self.filtered[:, None]
        return whole


def increment(drift: FloatArray, inputs: FloatArray, size: int, duration: float) -> Increment:
    """Increment of a constant drift with white noises.

    Parameters
    ----------
    drift : (phase, state, state) array
        Filter states last, decaying at the same rates at all phases.
    inputs : (contact, phase, state) array
        Gain of the white noise of each contact; the same for filter states at all phases.
    size : int
        Number of variables before the filter states.
    duration : float
    """
    rates, gains = -drift[0].diagonal()[size:], inputs[:, 0, size:]
    stiffness = float(np.abs(drift).sum(axis=-1).max()) * duration
    doublings = max(0, int(np.ceil(np.log2(4 * stiffness)))) if stiffness > 0 else 0
    short = duration / 2**doublings
    change, driven = _taylor(drift[:, :size, :size] * short, drift[:, :size, size:] * short, rates * short)
    own, crossed = _early_noise(drift, inputs, size, short)
    one = np.eye(size)
    for doubling in range(doublings):
        decay, filtered = _filters(rates, gains, short * 2**doubling)
        flow = one + change
        reached, passed = flow @ crossed, driven @ filtered[:, None]
        mixed = reached @ driven.swapaxes(-1, -2)
        own = flow @ own @ flow.swapaxes(-1, -2) + passed @ driven.swapaxes(-1, -2) + own
        own += mixed + mixed.swapaxes(-1, -2)
        crossed = (reached + passed) * decay + crossed
        driven = flow @ driven + driven * decay
        change = 2 * change + change @ change
    return Increment(one + change, driven, *_filters_last(rates, gains, duration, own, crossed))


def _filters_last(
    rates: FloatArray, gains: FloatArray, duration: float, own: FloatArray, crossed: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    decay, filtered = _filters(rates, gains, duration)
    return decay, own, crossed, filtered


def _filters(rates: FloatArray, gains: FloatArray, duration: float) -> tuple[FloatArray, FloatArray]:
    """Decay of filter states, and covariance of their noise, (contact, q, q)."""
    turns = (rates[:, None] + rates) * duration
    kept = np.where(turns > 0, -np.expm1(-turns) / np.where(turns > 0, turns, 1.0), 1.0) * duration
    return np.exp(-rates * duration), gains[:, :, None] * gains[:, None, :] * kept


def _taylor(flow: FloatArray, driven: FloatArray, turns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Φ_z - 1 and Φ_zq of drifts times a short time."""
    change = term = flow
    across = part = driven
    for order in range(2, TAYLOR_ORDER + 1):
        term, part = term @ flow / order, (term @ driven - part * turns) / order
        change, across = change + term, across + part
    return change, across


def _early_noise(
    drift: FloatArray, inputs: FloatArray, size: int, duration: float
) -> tuple[FloatArray, FloatArray]:
    """Covariances of the noise over a short time: of z, and of z with q."""
    flow, driven = drift[:, :size, :size] * duration, drift[:, :size, size:] * duration
    turns = -drift[0].diagonal()[size:] * duration
    upper, lower = inputs[:, :, :size, None], inputs[:, :, size:, None]
    rows, filters = [upper], [lower]
    for order in range(1, TAYLOR_ORDER + 1):
        upper, lower = (flow @ upper + driven @ lower) / order, -turns[:, None] * lower / order
        rows.append(upper)
        filters.append(lower)
    nodes, weights = np.polynomial.legendre.leggauss(6)
    powers = ((nodes + 1) / 2) ** np.arange(TAYLOR_ORDER + 1)[:, None]
    above, below = np.concatenate(rows, axis=-1) @ powers, np.concatenate(filters, axis=-1) @ powers
    weighted = above * (weights * duration / 2)
    return weighted @ above.swapaxes(-1, -2), weighted @ below.swapaxes(-1, -2)
