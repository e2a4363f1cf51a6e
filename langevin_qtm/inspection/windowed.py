"""Pearson coefficient of two positions in a window that moves along a trajectory.

    C(t) = m_12/sqrt(m_11 m_22),   m_ij = mean of x_i x_j over the M samples of the window around t,

about the known mean zero. For a Gaussian process the covariances of the m_ij follow exactly from the two-time
correlations R_ij by Wick's theorem,

    Cov(m_ij, m_kl) = M^-2 Σ_m (M - |m|) [R_ik(m) R_jl(m) + R_il(m) R_jk(m)],

and with them the variance of C. `effective_samples` are the independent pairs that would scatter as much.
For windows of up to 512 samples the band is that of the exact law, with quantiles of Gaussian windows drawn
from the covariance matrix of their samples; for longer ones it is normal in Fisher's artanh C.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from langevin_qtm.errors import InputError
from langevin_qtm.physics.conventions import FloatArray

CONFIDENCE = 0.95
FEWEST = 2
DRAWN = 512  # samples in the longest window that is drawn
DRAWS = 8192


@dataclass(frozen=True)
class PearsonBand:
    """Where the windowed Pearson coefficient lies.

    Attributes
    ----------
    center, lower, upper : float
        Exact coefficient, and the interval.
    effective_samples : float
        Independent pairs with the same scatter.
    """

    center: float
    lower: float
    upper: float
    effective_samples: float


def windowed_pearson(first: FloatArray, second: FloatArray, window: int) -> FloatArray:
    """C in every window of so many samples.

    Parameters
    ----------
    first, second : (…, time) arrays
        Of zero mean.
    window : int
        Samples, 2 <= window <= time.

    Returns
    -------
    (…, time - window + 1) array
        The first for the window that begins with the first sample.

    Raises
    ------
    InputError
        When the window does not fit.
    """
    count = first.shape[-1]
    if not FEWEST <= window <= count:
        raise InputError(
            f"`window` of {window} samples does not fit: it must have between {FEWEST} and {count}, all."
        )
    both, one, other = (_moving_sum(product, window) for product in (first * second, first**2, second**2))
    return both / np.sqrt(one * other)


def _moving_sum(values: FloatArray, window: int) -> FloatArray:
    """Sums over windows, by differences of a running sum in double precision."""
    running = np.cumsum(values, axis=-1, dtype=float)
    running = np.concatenate([np.zeros((*running.shape[:-1], 1)), running], axis=-1)
    return running[..., window:] - running[..., :-window]


def pearson_band(correlation: FloatArray, window: int, confidence: float = CONFIDENCE) -> PearsonBand:
    """Interval in which C of one window lies with this probability, half of the rest on either side.

    Parameters
    ----------
    correlation : (lag, 2, 2) array
        R_ij at lags 0, 1, … samples, at least `window` of them.
    window : int
        Samples.
    confidence : float
    """
    own = correlation[0]
    center = own[0, 1] / np.sqrt(own[0, 0] * own[1, 1])
    gradient = np.array(
        [-0.5 * center / own[0, 0], 1 / np.sqrt(own[0, 0] * own[1, 1]), -0.5 * center / own[1, 1]]
    )
    sigma = np.sqrt(gradient @ moment_covariance(correlation, window) @ gradient) / (1 - center**2)
    tails = 0.5 * (1 - confidence), 0.5 * (1 + confidence)
    if window <= DRAWN:
        lower, upper = np.quantile(_drawn(correlation[:window]), tails)
    else:
        lower, upper = np.tanh(np.arctanh(center) + sigma * stats.norm.ppf(tails))
    return PearsonBand(float(center), float(lower), float(upper), float(sigma**-2))


def _drawn(correlation: FloatArray) -> FloatArray:
    """C of Gaussian windows with these correlations, (draw,)."""
    window = len(correlation)
    place = np.arange(window)
    lag = place[:, None] - place
    ahead = np.where((lag >= 0)[..., None, None], correlation[np.abs(lag)], 0.0)
    behind = np.where((lag < 0)[..., None, None], correlation[np.abs(lag)].swapaxes(2, 3), 0.0)
    covariance = (ahead + behind).transpose(2, 0, 3, 1).reshape(2 * window, 2 * window)
    values, vectors = np.linalg.eigh(covariance)  # rounding leaves eigenvalues a little below zero
    kept = values > 1e-12 * values[-1]
    root = vectors[:, kept] * np.sqrt(values[kept])
    draws = root @ np.random.default_rng(0).standard_normal((root.shape[1], DRAWS))
    first, second = draws[:window], draws[window:]
    return (first * second).sum(axis=0) / np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))


def moment_covariance(correlation: FloatArray, window: int) -> FloatArray:
    """Covariance matrix of (m_11, m_12, m_22), the window means of products; see `pearson_band`."""
    pairs = ((0, 0), (0, 1), (1, 1))
    ahead = correlation[:window]
    weight = (window - np.arange(window)) / window**2
    found = np.empty((3, 3))
    for row, (i, j) in enumerate(pairs):
        for column, (k, l) in enumerate(pairs):
            later = ahead[:, i, k] * ahead[:, j, l] + ahead[:, i, l] * ahead[:, j, k]
            earlier = ahead[:, k, i] * ahead[:, l, j] + ahead[:, l, i] * ahead[:, k, j]
            found[row, column] = weight @ later + weight[1:] @ earlier[1:]
    return found
