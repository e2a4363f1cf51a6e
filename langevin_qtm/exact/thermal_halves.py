"""Integrals of rational functions times thermal factors, by residues.

With s = -iw the frequency axis is the imaginary axis, ∫dw/2π = ∫ds/2πi, and N(w) = w coth(w/2T) is the
sum of a half that is analytic for Re s > 0 and its mirror image, N = λ(s) + λ(-s),

    λ(a) = T - (a/π) [ψ(1 + a/2πT) + ln 2πT],   -(a/π) ln a at T = 0

(ψ the digamma function; the term in ln 2πT cancels from N and lets T go to zero). So for a spectrum

    S(s) = N(s) Σ_p [A_p/(s + α_p) + B_p/(α_p - s)],   Re α_p > 0,

the half that is analytic for Re s > 0, the one-sided transform of the correlation function, is

    Ŝ(a) = Σ_p { A_p [λ(a) + λ(α_p)]/(a + α_p) - B_p [λ(a) - λ(α_p)]/(a - α_p) },

and ∫dw/2π S(w)/(β + iw) = Ŝ(β) closes on one pole. Difference quotients are taken as such: nothing is
lost when a rate of the reservoir meets one of the medium, or a Matsubara frequency one of either.

**Two temperatures.** For G analytic at Re a > 0, such as another half spectrum,

    ∫ds/2πi G(-s) Ŝ(s) = Σ_p A_p N(α_p) G(α_p) - Σ_k 2T ν_k Q(-ν_k) G(ν_k),   ν_k = 2πTk,

Q the rational factor. Up to k = K, four times the largest |α_p|, the poles of N(α_p) and Q at
coinciding α_p and ν_k join into difference quotients of G; beyond, the sum falls like a high power of
1/k, and two digammas are left of N(α_p). With Σ_p A_p = Σ_p B_p,

    Σ_p A_p G(α_p) [N(α_p) without its poles k <= K]
    + Σ_{k<=K} 2T Σ_p α_p {A_p [(G(ν_k) - G(α_p))/(ν_k - α_p) + G(α_p)/(ν_k + α_p)] + B_p G(ν_k)/(ν_k + α_p)}
    + Σ_{k>K}  2T Σ_p α_p G(ν_k) [A_p/(ν_k - α_p) + B_p/(ν_k + α_p)].

Sums over k are done in octaves, with ten nodes of Gauss's rule for sums (Gram polynomials) in each:
exact up to k = 19, and good to 1e-14 beyond because every singularity lies an octave away. At T = 0, 2T
Σ_k becomes ∫dν/π and the rule that of Legendre.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from langevin_qtm.physics.conventions import ComplexArray, FloatArray

CLOSE = 1e-3  # relative distance below which a difference quotient is taken from a circle of values
CIRCLE = 0.1 * np.exp(2j * np.pi * (np.arange(16) + 0.5) / 16)
NODES_PER_OCTAVE = 10
TAIL_OCTAVES = 12
OCTAVES_TO_ZERO = 60


def thermal_half(a: ComplexArray, temperature: FloatArray) -> ComplexArray:
    """λ(a), the half of w coth(w/2T) that is analytic for Re a > 0.

    Parameters
    ----------
    a : complex array
        Re a > 0.
    temperature : array
        T >= 0; broadcasts with `a`.
    """
    warm = temperature > 0
    scale = 2 * np.pi * np.where(warm, temperature, 1.0)
    logarithm = digamma(1 + a / scale) + np.log(scale) if np.any(warm) else np.log(a)
    if not np.all(warm):
        logarithm = np.where(warm, logarithm, np.log(a))
    return temperature - a / np.pi * logarithm


def difference_quotient(
    function: Callable[[ComplexArray, tuple[NDArray, ...]], ComplexArray],
    a: ComplexArray,
    b: ComplexArray,
    at_a: ComplexArray,
    at_b: ComplexArray,
) -> ComplexArray:
    """[f(a) - f(b)]/(a - b), also where a and b coincide.

    Parameters
    ----------
    function : callable
        Maps points (n, 16) and the index (as of `numpy.nonzero`) of their elements to f, analytic within |a|.
    a, b, at_a, at_b : complex arrays
        Points and values; broadcast together.
    """
    gap, middle = a - b, (a + b) / 2
    close = np.abs(gap) < CLOSE * np.abs(middle)
    if not close.any():
        return (at_a - at_b) / gap
    quotient = (at_a - at_b) / np.where(close, 1.0, gap)
    index = np.nonzero(np.broadcast_to(close, quotient.shape))
    gaps, centers = (np.broadcast_to(x, quotient.shape)[index][:, None] for x in (gap, middle))
    around = centers * CIRCLE
    weights = around / (around**2 - (gaps / 2) ** 2)
    quotient[index] = (function(centers + around, index) * weights).mean(axis=1)
    return quotient


def half_kernels(
    a: ComplexArray, rates: ComplexArray, temperature: FloatArray
) -> tuple[ComplexArray, ComplexArray, FloatArray, FloatArray]:
    """What multiplies A_p and B_p in the half spectrum at a, and the sizes of the terms of each.

    Parameters
    ----------
    a : (…) complex array
    rates : (…, p) complex array
        α_p; leading dims broadcast with those of `a`.
    temperature : (…) array
        Broadcasts with `a`.
    """
    point, kelvin = a[..., None], temperature[..., None]
    at_point, at_rate = thermal_half(point, kelvin), thermal_half(rates, kelvin)
    shape = np.broadcast_shapes(point.shape, rates.shape)

    def again(z: ComplexArray, index: tuple[NDArray, ...]) -> ComplexArray:
        return thermal_half(z, np.broadcast_to(kelvin, shape)[index][:, None])

    forward = (at_point + at_rate) / (point + rates)
    backward = -difference_quotient(again, point, rates, at_point, at_rate)
    size, gap = np.abs(at_point) + np.abs(at_rate), np.maximum(np.abs(point - rates), CLOSE * np.abs(point))
    return forward, backward, size / np.abs(point + rates), size / gap


def gauss_rule_for_sums(count: float, nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of Σ_{k=0}^{count-1} f(k)/count, exact to degree 2 nodes - 1; of ∫_0^1 if inf."""
    n = np.arange(1, nodes)
    size, shift = (1.0, 0.0) if np.isinf(count) else (float(count), 1 / count)
    off = np.sqrt(n**2 * (1 - (n * shift) ** 2) / (4 * (4 * n**2 - 1.0)))
    values, vectors = np.linalg.eigh(np.diag(off, 1) + np.diag(off, -1))
    return size * (values + (1 - shift) / 2), vectors[0] ** 2


def matsubara_rule(reach: float) -> tuple[FloatArray, FloatArray, int, float]:
    """Rule for Σ_{k>=1} f(k), f with singularities at |k| <= reach left of, or beyond, each octave.

    Returns
    -------
    points, weights : (node,) arrays
    inner : int
        How many nodes belong to k <= K.
    last : float
        K.
    """
    octaves = max(0, int(np.ceil(np.log2(max(reach, 1.0) / 2))))
    points, weights = [np.arange(1.0, NODES_PER_OCTAVE)], [np.ones(NODES_PER_OCTAVE - 1)]
    for octave in range(octaves + TAIL_OCTAVES):
        start = NODES_PER_OCTAVE * 2.0**octave
        x, w = gauss_rule_for_sums(start, NODES_PER_OCTAVE)
        points.append(start + x)
        weights.append(start * w)
    inner = NODES_PER_OCTAVE * (octaves + 1) - 1
    return np.concatenate(points), np.concatenate(weights), inner, NODES_PER_OCTAVE * 2.0**octaves - 1


def frequency_rule(reach: float) -> tuple[FloatArray, FloatArray, int, float]:
    """The same for ∫_0^∞ dν f(ν): nodes, weights, how many of them below V, and V."""
    x, w = gauss_rule_for_sums(np.inf, NODES_PER_OCTAVE)
    end = 4 * reach
    starts = end * 2.0 ** np.arange(-OCTAVES_TO_ZERO, TAIL_OCTAVES)
    points = (starts[:, None] * (1 + x)).ravel()
    return points, (starts[:, None] * w).ravel(), NODES_PER_OCTAVE * OCTAVES_TO_ZERO, end


def tail_of_thermal_factor(rates: ComplexArray, temperature: FloatArray, last: float) -> ComplexArray:
    """N(α_p) without its poles up to k = last: 2T - Σ_{k>last} 4T α²/(ν_k² - α²).

    Parameters
    ----------
    rates : (machine, p) complex array
    temperature : (machine,) array
        All > 0, or all 0; `last` is then the frequency V where the sum becomes an integral from V on.
    """
    if not np.any(temperature):
        return rates / np.pi * (np.log(last - rates) - np.log(last + rates))
    x = rates / (2 * np.pi * temperature[:, None])
    return 2 * temperature[:, None] + rates / np.pi * (digamma(last + 1 - x) - digamma(last + 1 + x))
