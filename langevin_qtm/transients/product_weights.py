r"""Integrals of exponentials times Lagrange polynomials over one step.

Within a step of length h, smooth vectors v(s) are interpolated at `NODES` (Gauss-Lobatto, both ends
included), v(s) = Σ_q ℓ_q(s) v_q. What multiplies them, the correlation function of the thermal noise, may be
arbitrarily fast; it is integrated exactly:

    onward_jq   = ∫_0^h e^{-b_j s} ℓ_q(s) ds,          (noise correlated with what came before)
    inward_jq   = ∫_0^h e^{-b_j (h - s)} ℓ_q(s) ds,    (noise correlated with what comes after)
    within_qq'  = ∫∫_0^h C(s - s') ℓ_q(s) ℓ_q'(s') ds ds',   C(τ) = D δ(τ) - Σ_j κ_j e^{-b_j|τ|}.

In the last, white noise and fast exponentials cancel to many digits, so that each pole is taken together with
its share a_j of the white noise: with p' + b p = ℓ_q', the polynomial solution p,

    ∫ℓ_q ℓ_q' - b ∫ds ℓ_q(s) ∫_0^s e^{-b(s-s')} ℓ_q'(s') = ∫ℓ_q p' + b p(0) ∫ℓ_q e^{-bs}.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.transients.thermal_kernel import ThermalKernel

COUNT = 9
_INNER = np.polynomial.legendre.Legendre.basis(COUNT - 1).deriv().roots()
NODES = 0.5 * (1 + np.array([-1.0, *_INNER.real, 1.0]))
DEGREE = COUNT - 1
FAST = 8.0  # b h beyond which polynomial solutions are used, and Gauss rules below


def _lagrange_coefficients() -> NDArray:
    """Coefficients of ℓ_q, dims (q, power), in extended precision where the platform has it."""
    nodes, rows = NODES.astype(np.longdouble), []
    for q in range(COUNT):
        row = np.ones(1, dtype=np.longdouble)
        for other in np.delete(nodes, q):
            row = np.convolve(row, np.array([-other, 1], dtype=np.longdouble) / (nodes[q] - other))
        rows.append(row)
    return np.array(rows)


_BASIS = _lagrange_coefficients()
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(20)
_POINTS, _WEIGHTS = 0.5 * (_POINTS + 1), 0.5 * _WEIGHTS
_VALUES = polynomial.polyval(_POINTS, _BASIS.T)  # (q, point)
_PRODUCTS = (_VALUES * _WEIGHTS) @ _VALUES.T


@dataclass(frozen=True)
class ProductWeights:
    """Weights of one thermal kernel and one step length.

    Attributes
    ----------
    decay : (pole,) array
        e^{-b_j h}.
    onward, inward : (pole, node) arrays
    within : (node, node) array
    """

    decay: FloatArray
    onward: FloatArray
    inward: FloatArray
    within: FloatArray


def product_weights(kernel: ThermalKernel, step: float) -> ProductWeights:
    """Weights for steps of one length."""
    x = (kernel.rates * step).astype(np.longdouble)
    fast = x > FAST
    onward = np.empty((len(x), COUNT), dtype=np.longdouble)
    white_less = np.empty((len(x), COUNT, COUNT), dtype=np.longdouble)
    onward[fast], white_less[fast] = _by_polynomials(x[fast])
    onward[~fast], white_less[~fast] = _by_gauss(x[~fast])
    noise = np.einsum("j,jqr->qr", kernel.weights, white_less)
    within = step * (kernel.classical * _PRODUCTS + 0.5 * (noise + noise.T))
    inward = onward[:, ::-1]  # the nodes are symmetric
    return _in_double(np.exp(-x), step * onward, step * inward, within)


def _by_polynomials(x: NDArray) -> tuple[NDArray, NDArray]:
    """∫_0^1 e^{-xσ} ℓ_q, and ∫ℓ_q ℓ_q' - x ∫ℓ_q conv ℓ_q' for x >> 1."""
    powers = np.empty((len(x), COUNT), dtype=np.longdouble)
    powers[:, 0] = -np.expm1(-x) / x
    for k in range(1, DEGREE + 1):
        powers[:, k] = (k * powers[:, k - 1] - np.exp(-x)) / x
    onward = powers @ _BASIS.T
    solution = np.zeros((len(x), COUNT, COUNT), dtype=np.longdouble)  # (pole, q', power)
    for k in range(DEGREE, -1, -1):
        higher = (k + 1) * solution[:, :, k + 1] if k < DEGREE else 0.0
        solution[:, :, k] = (_BASIS[:, k] - higher) / x[:, None]
    slopes = solution[:, :, 1:] * np.arange(1, DEGREE + 1)
    smooth = np.einsum(
        "jrk,kqs,s->jqr", slopes, _POINTS ** np.arange(DEGREE)[:, None, None] * _VALUES, _WEIGHTS
    )
    return onward, smooth + x[:, None, None] * onward[:, :, None] * solution[:, None, :, 0]


def _by_gauss(x: NDArray) -> tuple[NDArray, NDArray]:
    """The same for moderate x."""
    onward = np.exp(-x[:, None] * _POINTS) @ (_VALUES * _WEIGHTS).T
    inner = _POINTS[:, None] * _POINTS  # (σ, node below σ)
    earlier = polynomial.polyval(inner, _BASIS.T)  # (q', σ, node)
    fading = np.exp(-x[:, None, None] * (_POINTS[:, None] - inner)) * _WEIGHTS * _POINTS[:, None]
    convolved = np.einsum("jsn,rsn->jrs", fading, earlier)
    return onward, _PRODUCTS - x[:, None, None] * np.einsum("qs,jrs->jqr", _VALUES * _WEIGHTS, convolved)


def constant_weights(step: float) -> ProductWeights:
    """Weights of a source that does not fade, C = 1: a deterministic force."""
    mean = step * (_VALUES @ _WEIGHTS)[None, :]
    return _in_double(np.ones(1), mean, mean, mean.T @ mean)


def _in_double(*arrays: NDArray) -> ProductWeights:
    return ProductWeights(*(np.asarray(array, dtype=float) for array in arrays))
